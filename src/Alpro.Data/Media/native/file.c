/* Files as FFmpeg's demuxers and codecs open them, within a deadline; and what is said when that fails. */
#include "alproclip.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { IO_BUFFER = 32 << 10 };

/* Containers of videos and images, and of audio to tell it from what is no media at all. No playlists: they name other files. */
static const char known_formats[] = "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,ivf,h264,hevc,m4v,mxf,gif,"
    "jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,tiff_pipe,mp3,wav,flac,aac";

/* FFmpeg's own first complaint on this thread during a call, for messages; and whether one was about the picture's size. */
static _Thread_local char complaint[200];
static _Thread_local int oversized;

void keep_complaint(void *context, int level, const char *format, va_list arguments)
{
    (void)context;
    if (level > AV_LOG_ERROR) return;
    if (!complaint[0]) vsnprintf(complaint, sizeof complaint, format, arguments);
    if (strstr(format, "max pixel count")) oversized = 1;
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

void begin(Reader *r)
{
    r->expires = now_ns() + r->limits.deadline_ns;
    r->timed_out = r->read_errno = r->altered = oversized = 0;
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

/* Why reading stopped: time is up, the system refused, or a checksum is wrong; OK where it came to the end of what there is. */
int reading_failed(Reader *r, const char *task)
{
    if (r->timed_out) return fail(r, TIMED_OUT, "%s took longer than allowed", task);
    if (r->read_errno) return fail(r, READ_ERROR, "%s", strerror(r->read_errno));
    if (r->altered) return fail(r, CORRUPT, "its bytes are not those of the index");
    return OK;
}

/* Whether a decoder has refused the size of a picture during this call. */
int was_oversized(void) { return oversized; }

/* ---- bytes ---- */

static int read_input(Reader *r, int64_t position, uint8_t *bytes, int size)
{
    int64_t start = now_ns();
    int done = r->input(r->source, r->offset + position, bytes, size);
    r->expires += now_ns() - start;   /* a store has a deadline of its own */
    if (done < 0) r->read_errno = EIO, done = 0;
    r->statistics.bytes += done;
    return done;
}

int read_at(Reader *r, int64_t position, uint8_t *bytes, int size)
{
    int done = 0;
    if (r->input) return read_input(r, position, bytes, size);
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

int open_bytes(Reader *r, const char *path, int64_t offset, int64_t length)
{
    struct stat about;
    r->file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (r->file < 0 || fstat(r->file, &about) < 0)
        return errno == ENOENT || errno == ENOTDIR ? fail(r, MISSING, "it is not there")
            : fail(r, errno == EACCES || errno == EPERM ? DENIED : READ_ERROR, "%s", strerror(errno));
    if (S_ISDIR(about.st_mode)) return fail(r, NOT_MEDIA, "it is a folder");
    r->offset = offset, r->length = -1;
    if (!S_ISREG(about.st_mode)) return OK;
    if (about.st_size == 0) return fail(r, EMPTY, "it has no bytes");
    if (offset >= about.st_size || length > about.st_size - offset)
        return fail(r, TRUNCATED, "it has %lld bytes, fewer than the stretch asked for", (long long)about.st_size);
    r->length = length ? length : about.st_size - offset;
    return OK;
}

/* ---- opening ---- */

void close_demuxer(Reader *r)
{
    avformat_close_input(&r->format);
    if (r->io) av_freep(&r->io->buffer);
    avio_context_free(&r->io);
    r->stream = NULL;
}

static int is_picture_stream(const AVStream *s)
{
    return s->codecpar->codec_type == AVMEDIA_TYPE_VIDEO && !(s->disposition & AV_DISPOSITION_ATTACHED_PIC);
}

int is_image(const AVFormatContext *f)
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

/* Whether the file begins as an MP4 does. No other format claims such a file, and to ask them all takes as long as to open it. */
static int begins_as_mp4(Reader *r)
{
    char head[12];
    int length = avio_read(r->io, (unsigned char *)head, sizeof head);
    avio_seek(r->io, 0, SEEK_SET);
    if (length < (int)sizeof head || memcmp(head + 4, "ftyp", 4)) return 0;
    return memcmp(head + 8, "jp2 ", 4) && memcmp(head + 8, "jpx ", 4) && memcmp(head + 8, "jxl ", 4);   /* images */
}

/* Opens the demuxer at the start of the file and chooses the video stream. */
int open_demuxer(Reader *r)
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
    int error = avformat_open_input(&r->format, "", begins_as_mp4(r) ? av_find_input_format("mov") : NULL, &options);
    av_dict_free(&options);
    if (error >= 0 && !header_tells_all(r->format)) error = avformat_find_stream_info(r->format, NULL);
    int status = reading_failed(r, "opening it");
    if (status) return status;
    if (error < 0 && cut_short(r)) return fail(r, TRUNCATED, "it is cut off before its index");
    if (error < 0) return fail(r, NOT_MEDIA, "it is no video or image that FFmpeg knows");

    int best = av_find_best_stream(r->format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    for (unsigned i = 0; (best < 0 || !is_picture_stream(r->format->streams[best])) && i < r->format->nb_streams; i++)
        if (is_picture_stream(r->format->streams[i])) best = i;
    if (best < 0 || !is_picture_stream(r->format->streams[best])) return fail(r, NO_VIDEO_STREAM, "it has no video stream");
    for (unsigned i = 0; i < r->format->nb_streams; i++) r->format->streams[i]->discard = (int)i == best ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    r->stream = r->format->streams[best];
    return OK;
}

int open_codec(Reader *r)
{
    const AVCodecParameters *parameters = r->packed ? r->packed : r->stream->codecpar;
    const AVCodec *decoder = avcodec_find_decoder(parameters->codec_id);
    if (!decoder) return fail(r, CORRUPT, "no decoder for its codec, %s", avcodec_get_name(parameters->codec_id));
    if (!(r->codec = avcodec_alloc_context3(decoder)) || avcodec_parameters_to_context(r->codec, parameters) < 0)
        return fail(r, TOO_LARGE, "no memory for its decoder");
    r->codec->thread_count = 1;
    r->codec->max_pixels = r->limits.max_pixels;
    r->codec->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT;   /* else frames after a key frame that is no IDR are withheld */
    r->codec->has_b_frames = FFMIN(FFMAX(r->codec->has_b_frames, r->delay), MAX_DELAY);
    if (avcodec_open2(r->codec, decoder, NULL) < 0) return fail(r, CORRUPT, "its %s decoder does not open", decoder->name);
    return OK;
}

int check_size(Reader *r, int64_t width, int64_t height)
{
    if (width * height <= r->limits.max_pixels) return OK;
    return fail(r, TOO_LARGE, "its picture of %lld x %lld is larger than the %lld pixels allowed",
                (long long)width, (long long)height, (long long)r->limits.max_pixels);
}

