/*
 * Which packets the video stream has, and in which order their frames are shown. Read from the index of an MP4 where it tells
 * everything, so that packets nobody needs are never touched; otherwise from one pass of the demuxer over the file. A packed
 * clip comes with its index.
 */
#include "alproclip.h"
#include <string.h>
#include <libavutil/intreadwrite.h>

enum { MAX_MOOV = 256 << 20 };   /* the largest index that is read */

#define TAG(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

#if LIBAVFORMAT_VERSION_MAJOR < 59   /* FFmpeg 4.4 has the fields but not yet the functions */
static int entry_count(AVStream *s) { return s->nb_index_entries; }
static const AVIndexEntry *entry_at(AVStream *s, int i) { return &s->index_entries[i]; }
#else
static int entry_count(AVStream *s) { return avformat_index_get_entries_count(s); }
static const AVIndexEntry *entry_at(AVStream *s, int i) { return avformat_index_get_entry(s, i); }
#endif

static int add_packet(Reader *r, Packet packet)
{
    if (r->packet_count >= r->limits.max_packets) return fail(r, TOO_LARGE, "more than %lld packets", (long long)r->limits.max_packets);
    if (r->packet_count == r->packet_capacity) {
        int capacity = r->packet_capacity ? 2 * r->packet_capacity : 1024;
        Packet *packets = av_realloc_array(r->packets, capacity, sizeof *packets);
        if (!packets) return fail(r, TOO_LARGE, "no memory for %d packets", capacity);
        r->packets = packets, r->packet_capacity = capacity;
    }
    r->packets[r->packet_count++] = packet;
    return OK;
}

/* ---- MP4 ---- */

/* A box of an MP4 file that lies in memory. */
typedef struct Box { const uint8_t *body, *end; } Box;

/* The child of this type, the n-th of them; body NULL where there is none. */
static Box child(Box parent, uint32_t type, int n)
{
    const uint8_t *p = parent.body;
    while (p && parent.end - p >= 8) {
        uint64_t size = AV_RB32(p), header = 8;
        if (size == 1 && parent.end - p >= 16) size = AV_RB64(p + 8), header = 16;
        else if (size == 0) size = parent.end - p;
        if (size < header || size > (uint64_t)(parent.end - p)) break;
        if (AV_RB32(p + 4) == type && n-- == 0) return (Box){ p + header, p + size };
        p += size;
    }
    return (Box){ NULL, NULL };
}

/* The head of the top-level box at *position: its type, 0 where there is none; its body's size; *position moves past its head. */
static uint32_t next_box(Reader *r, int64_t *position, int64_t *size)
{
    uint8_t head[16] = { 0 };
    if (r->length < 0 || *position > r->length - 8 || read_at(r, *position, head, 8) < 8) return 0;
    uint64_t claimed = AV_RB32(head), length = 8;
    if (claimed == 1) {
        if (read_at(r, *position + 8, head + 8, 8) < 8) return 0;
        claimed = AV_RB64(head + 8), length = 16;
    } else if (claimed == 0) claimed = r->length - *position;
    if (claimed < length || claimed > INT64_MAX / 2) return 0;
    *position += length, *size = claimed - length;
    return AV_RB32(head + 4);
}

/* Whether the file is an MP4 that ends within a box, or before its index: cut short, not something else. */
int cut_short(Reader *r)
{
    int64_t position = 0, size = 0;
    int boxes = 0;
    for (uint32_t type; (type = next_box(r, &position, &size)); boxes++) {
        if (boxes == 0 && type != TAG('f','t','y','p')) return 0;
        if (type == TAG('m','o','o','v')) return size > r->length - position;
        if (size > r->length - position) return 1;
        position += size;
    }
    return boxes > 0;
}

/* Whether an edit list is absent, or shows one stretch, perhaps after a pause; what that leaves out, the demuxer's index marks. */
static int is_simple(Box edits)
{
    if (!edits.body) return 1;
    if (edits.end - edits.body < 8 + 12) return 0;
    uint32_t count = AV_RB32(edits.body + 4), first_time = AV_RB32(edits.body + (edits.body[0] == 1 ? 16 : 12));
    return count == 1 || (count == 2 && first_time == UINT32_MAX);
}

/* The track's sample table out of the movie box; 0 where it is not as simple as the quick way needs. */
static int find_table(Box moov, int track_id, Box *table)
{
    if (child(moov, TAG('m','v','e','x'), 0).body) return 0;             /* fragments follow that the index does not know */
    for (int n = 0;; n++) {
        Box track = child(moov, TAG('t','r','a','k'), n), header = child(track, TAG('t','k','h','d'), 0);
        if (!track.body) return 0;
        int wide = header.body && header.end > header.body && header.body[0] == 1;
        if (!header.body || header.end - header.body < 24 || (int)AV_RB32(header.body + (wide ? 20 : 12)) != track_id) continue;
        Box edits = child(child(track, TAG('e','d','t','s'), 0), TAG('e','l','s','t'), 0);
        if (!is_simple(edits)) return 0;
        *table = child(child(child(track, TAG('m','d','i','a'), 0), TAG('m','i','n','f'), 0), TAG('s','t','b','l'), 0);
        Box formats = child(*table, TAG('s','t','s','d'), 0);
        return formats.body && formats.end - formats.body >= 8 && AV_RB32(formats.body + 4) == 1;
    }
}

/* Offsets from decoding to display time, run-length coded; 1 where they fit the packets one to one. */
static int apply_offsets(Reader *r, Box offsets)
{
    if (!offsets.body) return 1;
    if (offsets.end - offsets.body < 8) return 0;
    uint32_t runs = AV_RB32(offsets.body + 4), sample = 0, samples = r->packet_count;
    if (runs > (offsets.end - offsets.body - 8) / 8) return 0;
    for (const uint8_t *p = offsets.body + 8; runs--; p += 8) {
        uint32_t count = AV_RB32(p);
        if (count > samples - sample) return 0;
        for (int32_t offset = (int32_t)AV_RB32(p + 4); count--;) r->packets[sample++].pts += offset;
    }
    return sample == samples;
}

/* Takes the packets from an MP4's own index. Returns 1 where that was possible, 0 where the demuxer must be asked, < 0 on failure. */
static int index_from_mp4(Reader *r)
{
    enum AVCodecID codec = r->stream->codecpar->codec_id;
    int count = entry_count(r->stream), usable = 0;
    if (strncmp(r->format->iformat->name, "mov", 3) || r->length < 0 || count <= 0 || count != r->stream->nb_frames
        || (codec != AV_CODEC_ID_H264 && codec != AV_CODEC_ID_HEVC && codec != AV_CODEC_ID_AV1 && codec != AV_CODEC_ID_MJPEG)) return 0;

    int64_t position = 0, size = 0;
    uint32_t type;
    while ((type = next_box(r, &position, &size)) && type != TAG('m','o','o','v')) position += size;
    if (!type || size > MAX_MOOV || size > r->length - position) return 0;
    uint8_t *bytes = av_malloc(size + 1);
    Box moov = { bytes, bytes + size }, table;
    if (bytes && read_at(r, position, bytes, (int)size) == size && find_table(moov, r->stream->id, &table)) {
        usable = 1;
        for (int i = 0; i < count && usable > 0; i++) {
            const AVIndexEntry *e = entry_at(r->stream, i);
            int here = e->size > 0 && e->pos >= 0 && e->pos <= r->length - e->size;
            if (e->flags & AVINDEX_DISCARD_FRAME) usable = 0;
            else if (add_packet(r, (Packet){ e->timestamp, e->pos, e->size, !!(e->flags & AVINDEX_KEYFRAME), here, 0 })) usable = -1;
        }
        if (usable > 0) usable = apply_offsets(r, child(table, TAG('c','t','t','s'), 0));
    }
    av_free(bytes);
    if (usable == 0) r->packet_count = 0;
    return usable;
}

/* ---- any container ---- */

/* Whether a packet yields no picture of its own: empty, hidden (VP8), or "not coded" (MPEG-4, as encoders fill dropped frames). */
static int is_hidden(enum AVCodecID codec, const AVPacket *p)
{
    return p->size <= 0 || (codec == AV_CODEC_ID_VP8 && !(p->data[0] & 0x10)) || (codec == AV_CODEC_ID_MPEG4 && p->size <= 8);
}

static int index_from_demuxer(Reader *r)
{
    int error, status = OK, cut = 0;
    while (status == OK && (error = av_read_frame(r->format, r->packet)) >= 0) {
        AVPacket *p = r->packet;
        if (p->stream_index == r->stream->index) {
            int shown = !(p->flags & AV_PKT_FLAG_DISCARD) && !is_hidden(r->stream->codecpar->codec_id, p);
            cut = !!(p->flags & AV_PKT_FLAG_CORRUPT);
            status = add_packet(r, (Packet){ p->pts, p->pos, p->size, !!(p->flags & AV_PKT_FLAG_KEY), shown, 0 });
        }
        av_packet_unref(p);
        if (expired(r)) break;
    }
    if (status || (status = reading_failed(r, "listing its packets"))) return status;
    if (cut) r->packets[r->packet_count - 1].shown = 0;   /* the end of the file cuts the last one */
    return OK;
}

/*
 * Numbers the frames by display time. Packets come nearly sorted: each moves back at most as far as the codec reorders, and the
 * farthest move is the delay a decoder needs. Where times are missing, equal, or jump, they say nothing about the order.
 */
static void order_by_time(Reader *r)
{
    int sorted = 0, shown = 0;
    r->delay = 0, r->counted = 0;
    for (int i = r->first_key; i < r->packet_count && !r->counted; i++) {
        int place = sorted;
        if (r->packets[i].pts == AV_NOPTS_VALUE) {
            r->counted = r->packets[i].shown;
            continue;
        }
        while (place > 0 && r->packets[r->order[place - 1]].pts > r->packets[i].pts) {
            r->order[place] = r->order[place - 1];
            place--;
        }
        r->order[place] = i;
        r->delay = FFMAX(r->delay, sorted - place);
        r->counted = r->delay > MAX_DELAY || (place > 0 && r->packets[r->order[place - 1]].pts == r->packets[i].pts
                                              && r->packets[r->order[place - 1]].shown && r->packets[i].shown);
        sorted++;
    }
    for (int i = 0; i < sorted; i++) {
        const Packet *p = &r->packets[r->order[i]];
        if (p->shown && p->pts >= r->packets[r->first_key].pts) r->order[shown++] = r->order[i];
    }
    r->frame_count = shown;
    if (r->counted) r->delay = MAX_DELAY;   /* unknown: the most that decoders take */
}

static int allocate_order(Reader *r)
{
    r->order = av_malloc_array(r->packet_count, sizeof *r->order);
    r->wanted_at = av_calloc(r->packet_count, sizeof *r->wanted_at);
    return r->order && r->wanted_at ? OK : fail(r, TOO_LARGE, "no memory for %d packets", r->packet_count);
}

/* Lists the packets of the open stream and numbers its frames. */
int build_index(Reader *r)
{
    r->packet_count = 0;
    int status = r->direct = index_from_mp4(r);
    if (status < 0) return TOO_LARGE;
    if (status == 0 && (status = index_from_demuxer(r))) return status;
    r->next = r->direct ? 0 : r->packet_count;
    r->statistics.packets = r->packet_count;
    if (!r->packet_count) return fail(r, TRUNCATED, "no frame of its video stream is in the file");

    if ((status = allocate_order(r))) return status;
    for (r->first_key = 0; r->first_key < r->packet_count && !r->packets[r->first_key].key;) r->first_key++;
    if (r->first_key == r->packet_count) r->first_key = 0;
    order_by_time(r);
    if (r->counted && (status = count_by_decoding(r))) return status;
    return r->frame_count ? OK : fail(r, TRUNCATED, "no frame of its video stream is whole in the file");
}

/* Lists the frames of a packed clip, each of which is a key frame, and says how they are coded. */
int index_from_pack(Reader *r, const Packed *clip)
{
    static const enum AVCodecID codecs[] = { AV_CODEC_ID_H264, AV_CODEC_ID_MJPEG };   /* PackedCodec */
    int64_t position = clip->first;
    int status = OK;
    r->packet_count = 0;
    for (int i = 0; i < clip->frame_count && !status; position += clip->sizes[i++])
        status = add_packet(r, (Packet){ i, position, clip->sizes[i], 1, 1, clip->checksums[i] });
    if (status || (status = allocate_order(r))) return status;
    if ((unsigned)clip->codec >= FF_ARRAY_ELEMS(codecs)) return fail(r, CORRUPT, "its index names no codec that is known");
    if (position > r->length) return fail(r, TRUNCATED, "its index names frames beyond its %lld bytes", (long long)r->length);
    for (int i = 0; i < r->packet_count; i++) r->order[i] = i;
    r->statistics.packets = r->frame_count = r->packet_count;
    r->direct = 1, r->first_key = r->delay = r->counted = 0;

    AVCodecParameters *p = r->packed = avcodec_parameters_alloc();
    if (!p || !(p->extradata = av_mallocz(clip->header_size + AV_INPUT_BUFFER_PADDING_SIZE)))
        return fail(r, TOO_LARGE, "no memory for its codec");
    if (clip->header_size) memcpy(p->extradata, clip->header, clip->header_size);
    p->extradata_size = clip->header_size;
    p->codec_type = AVMEDIA_TYPE_VIDEO, p->codec_id = codecs[clip->codec], p->width = clip->width, p->height = clip->height;
    return OK;
}
