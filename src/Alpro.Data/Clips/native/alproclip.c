/* Opens files and decodes the packets that wanted frames depend on. See alproclip.h. */
#include "alproclip.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <libavutil/imgutils.h>

#define EXPORT __attribute__((visibility("default")))

enum { IO_BUFFER = 32 << 10, MAX_ALLOCATION = 512 << 20 };

/* Containers of videos and images, and of audio to tell it from what is no media at all. No playlists: they name other files. */
static const char known_formats[] = "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,ivf,h264,hevc,m4v,mxf,gif,"
    "jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,tiff_pipe,mp3,wav,flac,aac";

/* FFmpeg's own first complaint on this thread during a call, for messages; and whether one was about the picture's size. */
static _Thread_local char complaint[200];
static _Thread_local int oversized;

static void keep_complaint(void *context, int level, const char *format, va_list arguments)
{
    (void)context;
    if (level > AV_LOG_ERROR) return;
    if (!complaint[0]) vsnprintf(complaint, sizeof complaint, format, arguments);
    if (strstr(format, "max pixel count")) oversized = 1;
}

static void set_up(void)
{
    av_log_set_callback(keep_complaint);
    av_max_alloc(MAX_ALLOCATION);
}

int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int expired(Reader *r)
{
    return r->timed_out || (r->timed_out = now_ns() > r->expires);
}

static void begin(Reader *r)
{
    r->expires = now_ns() + r->limits.deadline_ns;
    r->timed_out = r->read_errno = oversized = 0;
    r->message[0] = complaint[0] = 0;
}

/* Records why the file cannot be used, with FFmpeg's complaint if it had one. */
int fail(Reader *r, int reason, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(r->message, sizeof r->message, format, arguments);
    va_end(arguments);
    if (reason != TIMED_OUT && complaint[0] && length >= 0 && length < (int)sizeof r->message) {
        complaint[strcspn(complaint, "\r\n")] = 0;
        snprintf(r->message + length, sizeof r->message - length, " (%s)", complaint);
    }
    return reason;
}

/* ---- bytes ---- */

int read_at(Reader *r, int64_t position, uint8_t *bytes, int size)
{
    int done = 0;
    while (done < size) {
        ssize_t n = pread(r->file, bytes + done, size - done, r->offset + position + done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) r->read_errno = errno;
        if (n <= 0) break;
        done += n;
    }
    r->statistics.bytes += done;
    return done;
}

static int io_read(void *opaque, uint8_t *bytes, int size)
{
    Reader *r = opaque;
    if (expired(r)) return AVERROR_EXIT;
    if (r->length >= 0) {
        size = (int)FFMIN(size, r->length - r->position);
        int n = size > 0 ? read_at(r, r->position, bytes, size) : 0;
        r->position += n;
        return n > 0 ? n : r->read_errno ? AVERROR(r->read_errno) : AVERROR_EOF;
    }
    struct pollfd wait = { r->file, POLLIN, 0 };
    while (!expired(r)) {
        if (poll(&wait, 1, (int)FFMIN((r->expires - now_ns()) / 1000000 + 1, 1000)) <= 0) continue;
        ssize_t n = read(r->file, bytes, size);
        if (n > 0) return r->statistics.bytes += n, (int)n;
        if (n == 0) return AVERROR_EOF;
        if (errno != EINTR && errno != EAGAIN) return AVERROR(r->read_errno = errno);
    }
    return AVERROR_EXIT;
}

static int64_t io_seek(void *opaque, int64_t position, int whence)
{
    Reader *r = opaque;
    if (whence & AVSEEK_SIZE) return r->length;
    whence &= ~AVSEEK_FORCE;
    if (whence == SEEK_CUR) position += r->position;
    if (whence == SEEK_END) position += r->length;
    return position < 0 ? AVERROR(EINVAL) : (r->position = position);
}

static int interrupted(void *opaque) { return expired(opaque); }

static int refuse_open(AVFormatContext *format, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
    (void)format, (void)io, (void)url, (void)flags, (void)options;
    return AVERROR(EPERM);   /* a media file is one file: it cannot make us open others */
}

/* ---- opening ---- */

static void close_demuxer(Reader *r)
{
    avformat_close_input(&r->format);
    if (r->io) av_freep(&r->io->buffer);
    avio_context_free(&r->io);
    r->stream = NULL;
}

static void close_file(Reader *r)
{
    avcodec_free_context(&r->codec);
    close_demuxer(r);
    av_frame_free(&r->still);
    av_freep(&r->order);
    av_freep(&r->wanted_at);
    r->packet_count = r->frame_count = 0;
    if (r->file >= 0) close(r->file);
    r->file = -1;
}

static int is_picture_stream(const AVStream *s)
{
    return s->codecpar->codec_type == AVMEDIA_TYPE_VIDEO && !(s->disposition & AV_DISPOSITION_ATTACHED_PIC);
}

static int is_image(const AVFormatContext *f)
{
    size_t length = strlen(f->iformat->name);
    return length > 5 && !strcmp(f->iformat->name + length - 5, "_pipe");
}

/* Whether the container's header alone describes its streams, so that nothing need be decoded to find out. */
static int header_tells_all(const AVFormatContext *f)
{
    if (is_image(f)) return 1;
    if (strncmp(f->iformat->name, "mov", 3) && strncmp(f->iformat->name, "matroska", 8)) return 0;
    for (unsigned i = 0; i < f->nb_streams; i++) {
        const AVCodecParameters *p = f->streams[i]->codecpar;
        if (p->codec_type == AVMEDIA_TYPE_VIDEO && (p->width <= 0 || p->height <= 0 || p->codec_id == AV_CODEC_ID_NONE)) return 0;
    }
    return 1;
}

/* Opens the demuxer at the start of the file and chooses the video stream. */
static int open_demuxer(Reader *r)
{
    AVDictionary *options = NULL;
    uint8_t *buffer = av_malloc(IO_BUFFER);
    r->position = 0;
    r->io = buffer ? avio_alloc_context(buffer, IO_BUFFER, 0, r, io_read, NULL, r->length < 0 ? NULL : io_seek) : NULL;
    r->format = avformat_alloc_context();
    if (!r->io || !r->format) {
        if (!r->io) av_free(buffer);
        return fail(r, TOO_LARGE, "no memory to open it");
    }
    r->format->pb = r->io;
    r->format->io_open = refuse_open;
    r->format->interrupt_callback = (AVIOInterruptCB){ interrupted, r };
    av_dict_set(&options, "format_whitelist", known_formats, 0);
    int error = avformat_open_input(&r->format, "", NULL, &options);
    av_dict_free(&options);
    if (error >= 0 && !header_tells_all(r->format)) error = avformat_find_stream_info(r->format, NULL);
    if (r->timed_out) return fail(r, TIMED_OUT, "its header could not be read in time");
    if (r->read_errno) return fail(r, READ_ERROR, "%s", strerror(r->read_errno));
    if (error < 0) return cut_short(r) ? fail(r, TRUNCATED, "it is cut off before its index") : fail(r, NOT_MEDIA, "it is no video or image that FFmpeg knows");

    int best = av_find_best_stream(r->format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    for (unsigned i = 0; (best < 0 || !is_picture_stream(r->format->streams[best])) && i < r->format->nb_streams; i++)
        if (is_picture_stream(r->format->streams[i])) best = i;
    if (best < 0 || !is_picture_stream(r->format->streams[best])) return fail(r, NO_VIDEO_STREAM, "it has no video stream");
    for (unsigned i = 0; i < r->format->nb_streams; i++) r->format->streams[i]->discard = (int)i == best ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    r->stream = r->format->streams[best];
    return OK;
}

static int open_codec(Reader *r)
{
    const AVCodec *decoder = avcodec_find_decoder(r->stream->codecpar->codec_id);
    if (!decoder) return fail(r, CORRUPT, "no decoder for its codec, %s", avcodec_get_name(r->stream->codecpar->codec_id));
    if (!(r->codec = avcodec_alloc_context3(decoder)) || avcodec_parameters_to_context(r->codec, r->stream->codecpar) < 0)
        return fail(r, TOO_LARGE, "no memory for its decoder");
    r->codec->thread_count = 1;
    r->codec->max_pixels = r->limits.max_pixels;
    r->codec->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT;   /* else frames after a key frame that is no IDR are withheld */
    r->codec->has_b_frames = FFMIN(FFMAX(r->codec->has_b_frames, r->delay), MAX_DELAY);
    if (avcodec_open2(r->codec, decoder, NULL) < 0) return fail(r, CORRUPT, "its %s decoder does not open", decoder->name);
    return OK;
}

static int check_size(Reader *r, int64_t width, int64_t height)
{
    if (width * height <= r->limits.max_pixels) return OK;
    return fail(r, TOO_LARGE, "its picture of %lld x %lld is larger than the %lld pixels allowed", (long long)width, (long long)height, (long long)r->limits.max_pixels);
}

/* Decodes the picture of an image file, which is kept: there is nothing to choose from. */
static int open_image(Reader *r)
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
    if (r->timed_out) return fail(r, TIMED_OUT, "it could not be read in time");
    if (r->read_errno) return fail(r, READ_ERROR, "%s", strerror(r->read_errno));
    if (oversized) return fail(r, TOO_LARGE, "its picture is larger than the %lld pixels allowed", (long long)r->limits.max_pixels);
    if (error < 0 || r->still->flags & AV_FRAME_FLAG_CORRUPT) return fail(r, CORRUPT, "its picture cannot be decoded");
    r->frame_count = 1;
    return OK;
}

static double frame_rate(const Reader *r)
{
    AVRational rate = r->stream->avg_frame_rate;
    if (rate.num > 0 && rate.den > 0) return av_q2d(rate);
    if (r->counted || r->frame_count < 2) return 0;
    double ticks = (double)r->packets[r->order[r->frame_count - 1]].pts - (double)r->packets[r->order[0]].pts;
    return ticks > 0 ? (r->frame_count - 1) / (ticks * av_q2d(r->stream->time_base)) : 0;
}

static int open_bytes(Reader *r, const char *path, int64_t offset, int64_t length)
{
    struct stat about;
    r->file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (r->file < 0 || fstat(r->file, &about) < 0)
        return errno == ENOENT || errno == ENOTDIR ? fail(r, MISSING, "it is not there") : fail(r, READ_ERROR, "%s", strerror(errno));
    if (S_ISDIR(about.st_mode)) return fail(r, READ_ERROR, "it is a folder");
    r->offset = offset, r->length = -1;
    if (!S_ISREG(about.st_mode)) return OK;
    if (about.st_size == 0) return fail(r, EMPTY, "it has no bytes");
    if (offset >= about.st_size || length > about.st_size - offset)
        return fail(r, TRUNCATED, "it has %lld bytes, fewer than the stretch asked for", (long long)about.st_size);
    r->length = length ? length : about.st_size - offset;
    return OK;
}

EXPORT int alpro_open(Reader *r, const char *path, int64_t offset, int64_t length, Info *info)
{
    close_file(r);
    begin(r);
    memset(&r->statistics, 0, sizeof r->statistics);
    int64_t start = now_ns();
    int status = open_bytes(r, path, offset, length);
    if (!status) status = open_demuxer(r);
    int64_t opened = now_ns();
    r->statistics.open_ns = opened - start;
    if (!status) status = check_size(r, r->stream->codecpar->width, r->stream->codecpar->height);
    if (!status) {
        r->orientation = orientation_of(r->stream);
        status = is_image(r->format) ? open_image(r) : build_index(r);
        r->statistics.index_ns = now_ns() - opened;
    }
    if (status) return close_file(r), status;
    int turned = r->orientation.b != 0;
    int width = r->still ? r->still->width : r->stream->codecpar->width, height = r->still ? r->still->height : r->stream->codecpar->height;
    *info = (Info){ r->still ? 0 : frame_rate(r), r->frame_count, turned ? height : width, turned ? width : height, rotation_of(r->orientation) };
    return OK;
}

/* ---- decoding ---- */

/* Makes this packet the next to be read. A demuxer only goes forward: what lies behind means opening it again. */
static int go_to(Reader *r, int ordinal)
{
    if (r->direct) {
        r->next = ordinal;
        return OK;
    }
    if (ordinal >= r->next) return OK;
    int status;
    close_demuxer(r);
    r->next = 0;
    if (r->length < 0) return fail(r, READ_ERROR, "it is a pipe, which cannot be read twice");
    if ((status = open_demuxer(r))) return status;
    return OK;
}

/* Reads packet r->next into r->packet. 0 at the end of what can be read. */
static int read_packet(Reader *r)
{
    AVPacket *p = r->packet;
    if (r->next >= r->packet_count) return 0;
    if (r->direct) {
        const Packet *entry = &r->packets[r->next];
        if (!entry->shown) p->size = 0;                               /* beyond the end of the file */
        else if (av_new_packet(p, entry->size) < 0 || read_at(r, entry->position, p->data, entry->size) < entry->size) return av_packet_unref(p), 0;
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
        int type = data[0] & 31;
        if (type >= 1 && type <= 5) {
            if (data[0] & 0x60) return 0;
            pictures++;
        }
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
    return error < 0 ? fail(r, CORRUPT, "frame %d cannot be scaled", w->slot) : OK;
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
        if (expired(r)) return av_packet_unref(r->packet), fail(r, TIMED_OUT, "decoding took longer than allowed");
        if (!got) {
            r->next = last + 1;
            return r->read_errno ? fail(r, READ_ERROR, "%s", strerror(r->read_errno)) : OK;
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
        for (; place > 0 && (r->wanted[place - 1].start > w.start || (r->wanted[place - 1].start == w.start && r->wanted[place - 1].ordinal > ordinal)); place--)
            r->wanted[place] = r->wanted[place - 1];
        r->wanted[place] = w;
    }
    for (int i = 0; i < r->wanted_count; i++) r->wanted_at[r->wanted[i].ordinal] = i + 1;
    r->remaining = r->wanted_count;
    return OK;
}

static int read_video(Reader *r, const int32_t *indices, int count)
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
        if (!status && !w->done && oversized) status = fail(r, TOO_LARGE, "frame %d is larger than the %lld pixels allowed", indices[w->slot], (long long)r->limits.max_pixels);
        if (!status && !w->done) status = fail(r, CORRUPT, "frame %d %s", indices[w->slot], w->damaged ? "is damaged" : "cannot be decoded");
    }
    return status;
}

EXPORT int alpro_read(Reader *r, const int32_t *indices, int count, int width, int height, int filter, uint8_t *pixels)
{
    begin(r);
    r->statistics.read_ns = r->statistics.decode_ns = r->statistics.convert_ns = r->statistics.sent = r->statistics.dropped = 0;
    r->width = width, r->height = height, r->filter = filter, r->pixels = pixels;
    if (!r->still) {
        int status = read_video(r, indices, count);
        if (status) return status;
    } else if (count > 0) {
        int64_t start = now_ns();
        if (convert(&r->picture, r->still, r->orientation, width, height, filter, pixels) < 0) return fail(r, CORRUPT, "its picture cannot be scaled");
        r->statistics.convert_ns = now_ns() - start;
    }
    size_t frame = (size_t)width * height * 3;
    for (int i = 1; i < count; i++)
        if (indices[i] == indices[i - 1]) memcpy(pixels + i * frame, pixels + (i - 1) * frame, frame);
    return OK;
}

/* ---- life ---- */

EXPORT Reader *alpro_new(const Limits *limits)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up);
    Reader *r = av_mallocz(sizeof *r);
    if (!r) return NULL;
    r->limits = *limits;
    r->file = -1;
    r->packet = av_packet_alloc();
    r->frame = av_frame_alloc();
    return r;
}

EXPORT void alpro_free(Reader *r)
{
    close_file(r);
    av_packet_free(&r->packet);
    av_frame_free(&r->frame);
    av_free(r->packets);
    av_free(r->wanted);
    picture_free(&r->picture);
    av_free(r);
}

EXPORT const char *alpro_message(const Reader *r) { return r->message; }

EXPORT void alpro_statistics(const Reader *r, Statistics *statistics) { *statistics = r->statistics; }

/* The versions of libavformat, libavcodec and libswscale in use, each major << 16 | minor << 8 | micro. */
EXPORT void alpro_versions(uint32_t versions[3])
{
    versions[0] = avformat_version(), versions[1] = avcodec_version(), versions[2] = swscale_version();
}
