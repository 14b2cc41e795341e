/* Decodes the packets that wanted frames depend on, and no others. */
#include "alproclip.h"
#include <string.h>
#include <libavutil/crc.h>

/* Makes this packet the next to be read. A demuxer only goes forward: what lies behind means opening it again. */
static int go_to(Reader *r, int ordinal)
{
    if (r->direct) {
        r->next = ordinal;
        return OK;
    }
    if (ordinal >= r->next) return OK;
    if (r->length < 0) return fail(r, NOT_MEDIA, "it is a pipe, which cannot be read twice");
    close_demuxer(r);
    r->next = 0;
    return open_demuxer(r);
}

static uint32_t checksum_of(const AVPacket *p)
{
    return ~av_crc(av_crc_get_table(AV_CRC_32_IEEE_LE), UINT32_MAX, p->data, p->size);
}

/* Reads packet r->next into r->packet. 0 at the end of what can be read. */
static int read_packet(Reader *r)
{
    AVPacket *p = r->packet;
    if (r->next >= r->packet_count) return 0;
    if (r->direct) {
        const Packet *entry = &r->packets[r->next];
        if (entry->shown) {   /* else it lies beyond the end of the file: an empty packet */
            if (av_new_packet(p, entry->size) < 0) return 0;
            if (read_at(r, entry->position, p->data, entry->size) < entry->size) return 0;
            if (r->packed && checksum_of(p) != entry->checksum) return r->altered = 1, 0;
        }
    } else {
        do {
            av_packet_unref(p);
            if (av_read_frame(r->format, p) < 0) return 0;
        } while (p->stream_index != r->stream->index);
    }
    p->pts = r->next++;   /* comes back with the frame and says which packet it was */
    p->dts = AV_NOPTS_VALUE;
    return 1;
}

/* Whether no other frame refers to the picture in an H.264 packet. Other codecs are told to find out for themselves. */
static int is_disposable(const Reader *r, const AVPacket *p)
{
    const uint8_t *extra = r->codec->extradata, *data = p->data, *end = data + p->size;
    if (r->codec->codec_id != AV_CODEC_ID_H264 || r->codec->extradata_size < 7 || extra[0] != 1) return 0;
    int length_size = (extra[4] & 3) + 1, pictures = 0;
    while (end - data > length_size) {
        uint32_t size = 0;
        for (int i = 0; i < length_size; i++) size = size << 8 | *data++;
        if (size == 0 || size > end - data) return 0;
        int type = data[0] & 31, is_picture = type >= 1 && type <= 5, is_parameters = type == 7 || type == 8;
        if (is_parameters || (is_picture && data[0] & 0x60)) return 0;
        pictures += is_picture;
        data += size;
    }
    return pictures > 0;
}

/* Takes a frame the decoder gave out: converts it if it is wanted, whole, and was reached from its own key frame. */
static int take_frame(Reader *r)
{
    AVFrame *f = r->frame;
    int64_t ordinal = r->counted ? r->output++ : f->pts;
    if (ordinal == r->chain && !r->counted && f->pict_type != AV_PICTURE_TYPE_I && f->pict_type != AV_PICTURE_TYPE_NONE) r->chain_broken = 1;
    if (ordinal < 0 || ordinal >= r->packet_count || !r->wanted_at[ordinal]) return OK;
    Wanted *w = &r->wanted[r->wanted_at[ordinal] - 1];
    if (w->done || w->start < r->chain || r->chain_broken) return OK;
    if ((w->damaged = f->flags & AV_FRAME_FLAG_CORRUPT || f->decode_error_flags)) return OK;
    int64_t start = now_ns();
    uint8_t *rgb = r->pixels + (size_t)w->slot * r->width * r->height * 3;
    int error = convert(&r->picture, f, r->orientation, r->width, r->height, r->filter, rgb);
    r->statistics.convert_ns += now_ns() - start;
    w->done = 1, r->remaining--;
    return error < 0 ? fail(r, CORRUPT, "a frame cannot be scaled") : OK;
}

/* Sends r->packet, or NULL for the end, and takes what comes out. */
static int decode(Reader *r, AVPacket *packet)
{
    int64_t start = now_ns(), converted = r->statistics.convert_ns;
    int status = OK;
    avcodec_send_packet(r->codec, packet);   /* an error concerns this packet; what it spoils shows in the frames */
    if (packet) r->statistics.sent++;
    while (!status && avcodec_receive_frame(r->codec, r->frame) >= 0) {
        status = take_frame(r);
        av_frame_unref(r->frame);
    }
    r->statistics.decode_ns += now_ns() - start - (r->statistics.convert_ns - converted);
    return status;
}

/* Reads and decodes up to and including packet last, leaving out what nobody wants and nothing depends on. */
static int decode_to(Reader *r, int last)
{
    while (r->next <= last && r->remaining) {
        int64_t start = now_ns();
        int ordinal = r->next, got = read_packet(r), status = OK;
        r->statistics.read_ns += now_ns() - start;
        if (expired(r) || !got) {
            av_packet_unref(r->packet);
            r->next = r->packet_count;   /* a demuxer starts anew */
            return reading_failed(r, "decoding");
        }
        int passing = ordinal < r->chain, wanted = r->counted || r->wanted_at[ordinal];
        if (!passing && r->packet->size > 0) {
            r->codec->skip_frame = wanted ? AVDISCARD_DEFAULT : AVDISCARD_NONREF;
            if (!wanted && is_disposable(r, r->packet)) r->statistics.dropped++;
            else status = decode(r, r->packet);
        }
        av_packet_unref(r->packet);
        if (status) return status;
    }
    return OK;
}

/* Decodes the wanted frames that are not yet done: from key frame to key frame, on within a group of pictures, over the rest. */
static int decode_wanted(Reader *r)
{
    int status = OK;
    for (int i = 0; i < r->wanted_count && !status;) {
        if (r->wanted[i].done) { i++; continue; }
        r->chain = r->wanted[i].start, r->chain_broken = 0, r->output = 0;
        if ((status = go_to(r, r->chain))) return status;
        for (; i < r->wanted_count && !status && (r->wanted[i].done || r->wanted[i].start <= FFMAX(r->next, r->chain)); i++)
            if (!r->wanted[i].done) status = decode_to(r, r->counted ? r->packet_count - 1 : r->wanted[i].ordinal);
        if (!status) status = decode(r, NULL);
        avcodec_flush_buffers(r->codec);
    }
    return status;
}

/* Counts the frames of a file whose timestamps do not order them, by decoding it. */
int count_by_decoding(Reader *r)
{
    int status = open_codec(r);
    if (status) return status;
    r->chain = r->output = r->first_key = 0, r->remaining = 1;
    if (!(status = go_to(r, 0)) && !(status = decode_to(r, r->packet_count - 1))) status = decode(r, NULL);
    avcodec_flush_buffers(r->codec);
    r->frame_count = FFMIN(r->output, r->packet_count);
    return status;
}

/* The key packet to start from: the last that comes before in the file, and not after in time (leading pictures of an open group). */
static int start_of(const Reader *r, int ordinal)
{
    int key = ordinal;
    while (key > r->first_key && !(r->packets[key].key && r->packets[key].pts <= r->packets[ordinal].pts)) key--;
    return key;
}

/* The stretches that the packets of these frames take, and those before them from their key frames on; neighbours are one. */
int needed_ranges(const Reader *r, const int32_t *indices, int count, int64_t *ranges, int capacity)
{
    int filled = 0, last = -1;
    for (int i = 0; i < count && r->direct && !r->counted; i++) {
        int ordinal = r->order[indices[i]];
        for (int n = FFMAX(start_of(r, ordinal), last + 1); n <= ordinal; n++) {
            const Packet *p = &r->packets[n];
            int64_t *range = ranges + 2 * filled, position = r->offset + p->position;
            if (!p->shown) continue;
            if (filled && range[-2] + range[-1] == position) range[-1] += p->size;
            else if (filled == capacity) return filled;
            else range[0] = position, range[1] = p->size, filled++;
        }
        last = FFMAX(last, ordinal);
    }
    return filled;
}

static int comes_before(const Wanted *a, const Wanted *b)
{
    return a->start != b->start ? a->start < b->start : a->ordinal < b->ordinal;
}

/* Lists the wanted packets in the order in which they are decoded. */
static int plan(Reader *r, const int32_t *indices, int count)
{
    if (count > r->wanted_capacity) {
        Wanted *wanted = av_realloc_array(r->wanted, count, sizeof *wanted);
        if (!wanted) return fail(r, TOO_LARGE, "no memory for %d frames", count);
        r->wanted = wanted, r->wanted_capacity = count;
    }
    r->wanted_count = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && indices[i] == indices[i - 1]) continue;
        int ordinal = r->counted ? indices[i] : r->order[indices[i]], place = r->wanted_count++;
        Wanted w = { ordinal, r->counted ? 0 : start_of(r, ordinal), i, 0, 0 };
        for (; place > 0 && comes_before(&w, &r->wanted[place - 1]); place--) r->wanted[place] = r->wanted[place - 1];
        r->wanted[place] = w;
    }
    for (int i = 0; i < r->wanted_count; i++) r->wanted_at[r->wanted[i].ordinal] = i + 1;
    r->remaining = r->wanted_count;
    return OK;
}

/* Decodes the frames with these numbers, which ascend, into the caller's buffer; repeats are left for the caller to copy. */
int read_video(Reader *r, const int32_t *indices, int count)
{
    int status = plan(r, indices, count), missing = 0;
    if (!status && !r->codec) {
        int64_t start = now_ns();
        status = open_codec(r);
        r->statistics.decode_ns += now_ns() - start;
    }
    if (!status) status = decode_wanted(r);
    for (int i = 0; i < r->wanted_count; i++)
        if (!r->wanted[i].done && r->wanted[i].start != r->first_key) r->wanted[i].start = r->first_key, missing = 1;
    if (!status && missing) status = decode_wanted(r);   /* a key frame that was none: again, as from the start of the file */
    for (int i = 0; i < r->wanted_count; i++) {
        const Wanted *w = &r->wanted[i];
        r->wanted_at[w->ordinal] = 0;
        if (status || w->done) continue;
        if (was_oversized()) status = fail(r, TOO_LARGE, "frame %d is larger than the %lld pixels allowed", indices[w->slot], (long long)r->limits.max_pixels);
        else status = fail(r, CORRUPT, "frame %d %s", indices[w->slot], w->damaged ? "is damaged" : "cannot be decoded");
    }
    return status;
}

/* Decodes the picture of an image file, which is kept: there is nothing to choose from. */
int open_image(Reader *r)
{
    int status = open_codec(r);
    if (status) return status;
    if (!(r->still = av_frame_alloc())) return fail(r, TOO_LARGE, "no memory for its picture");
    int error = av_read_frame(r->format, r->packet);
    if (error >= 0 && r->codec->codec_id == AV_CODEC_ID_MJPEG) {   /* its decoder would fill the rest with grey */
        int end = r->packet->size - 2;
        while (end >= 0 && (r->packet->data[end] != 0xFF || r->packet->data[end + 1] != 0xD9)) end--;
        if (end < 0) return av_packet_unref(r->packet), fail(r, TRUNCATED, "the JPEG ends before its end marker");
    }
    if (error >= 0) error = avcodec_send_packet(r->codec, r->packet);
    if (error >= 0) avcodec_send_packet(r->codec, NULL);
    if (error >= 0) error = avcodec_receive_frame(r->codec, r->still);
    av_packet_unref(r->packet);
    if ((status = reading_failed(r, "decoding it"))) return status;
    if (was_oversized()) return fail(r, TOO_LARGE, "its picture is larger than the %lld pixels allowed", (long long)r->limits.max_pixels);
    if (error < 0 || r->still->flags & AV_FRAME_FLAG_CORRUPT) return fail(r, CORRUPT, "its picture cannot be decoded");
    r->frame_count = 1;
    return OK;
}
