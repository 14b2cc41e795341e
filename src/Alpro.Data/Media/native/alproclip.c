/* What the program calls. See alproclip.h. */
#include "alproclip.h"
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { MAX_ALLOCATION = 512 << 20 };

static void set_up(void)
{
    av_log_set_callback(keep_complaint);
    av_max_alloc(MAX_ALLOCATION);
}

static void close_file(Reader *r)
{
    avcodec_free_context(&r->codec);
    close_demuxer(r);
    avcodec_parameters_free(&r->packed);
    av_frame_free(&r->still);
    av_freep(&r->order);
    av_freep(&r->wanted_at);
    r->packet_count = r->frame_count = 0;
    if (r->file >= 0) close(r->file);
    r->file = -1, r->input = NULL;
}

static double frame_rate(const Reader *r)
{
    AVRational rate = r->stream->avg_frame_rate;
    if (rate.num > 0 && rate.den > 0) return av_q2d(rate);
    if (r->counted || r->frame_count < 2) return 0;
    double ticks = (double)r->packets[r->order[r->frame_count - 1]].pts - (double)r->packets[r->order[0]].pts;
    return ticks > 0 ? (r->frame_count - 1) / (ticks * av_q2d(r->stream->time_base)) : 0;
}

static void begin_open(Reader *r)
{
    close_file(r);
    begin(r);
    memset(&r->statistics, 0, sizeof r->statistics);
}

/* Opens a packed clip in the bytes that are open. */
static int open_packed(Reader *r, int status, const Packed *clip, Info *info)
{
    if (!status) status = check_size(r, clip->width, clip->height);
    if (!status) status = index_from_pack(r, clip);
    if (status) return close_file(r), status;
    r->orientation = (Orientation){ 1, 0, 0, 1 };
    *info = (Info){ clip->frame_rate, r->frame_count, clip->width, clip->height, 0 };
    return OK;
}

/* Opens the media in the bytes that are open, which took the status; start is when that began. A packed clip brings its index. */
static int open_media(Reader *r, int status, int64_t start, const Packed *clip, Info *info)
{
    if (clip) {
        status = open_packed(r, status, clip, info);
        r->statistics.open_ns = now_ns() - start;
        return status;
    }
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

EXPORT int alpro_open(Reader *r, const char *path, int64_t offset, int64_t length, const Packed *clip, Info *info)
{
    begin_open(r);
    int64_t start = now_ns();
    return open_media(r, open_bytes(r, path, offset, length), start, clip, info);
}

/* Opens length bytes, from offset on, of an input that is no file. */
EXPORT int alpro_open_input(Reader *r, Input input, void *source, int64_t offset, int64_t length, const Packed *clip, Info *info)
{
    begin_open(r);
    r->input = input, r->source = source, r->offset = offset, r->length = length;
    return open_media(r, OK, now_ns(), clip, info);
}

/* The stretches of the input that decoding these frames reads, as pairs of first byte and length; how many, at most capacity. */
EXPORT int alpro_ranges(const Reader *r, const int32_t *indices, int count, int64_t *ranges, int capacity)
{
    return r->still ? 0 : needed_ranges(r, indices, count, ranges, capacity);
}

/* The numbers of the frames that are key frames, ascending; how many there are, of which at most capacity are given. */
EXPORT int alpro_key_frames(const Reader *r, int32_t *indices, int capacity)
{
    int count = 0;
    for (int i = 0; i < r->frame_count; i++) {
        if (r->order && !r->packets[r->order[i]].key) continue;
        if (count < capacity) indices[count] = i;
        count++;
    }
    return count;
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

static pthread_once_t once = PTHREAD_ONCE_INIT;

EXPORT Reader *alpro_new(const Limits *limits)
{
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

/* A picture of width x height RGB bytes as a JPEG of another size; how many bytes it has, or -1 where it cannot be made or has no room. */
EXPORT int alpro_jpeg(const uint8_t *rgb, int width, int height, int to_width, int to_height, int quality, uint8_t *jpeg, int capacity)
{
    pthread_once(&once, set_up);
    return encode_jpeg(rgb, width, height, to_width, to_height, quality, jpeg, capacity);
}

/* The versions of libavformat, libavcodec and libswscale in use, each major << 16 | minor << 8 | micro. */
EXPORT void alpro_versions(uint32_t versions[3])
{
    versions[0] = avformat_version(), versions[1] = avcodec_version(), versions[2] = swscale_version();
}
