/*
 * alproclip: chosen frames of a video or image, exactly, over FFmpeg 4.4 to 7.
 *
 * file.c opens files within a deadline, index.c finds out which packets there are and in which order they are shown, decode.c
 * decodes those that wanted frames depend on, picture.c turns frames into RGB of the wanted size, jpeg.c makes small pictures of
 * them for people, alproclip.c is what is called.
 * A reader belongs to one thread at a time; nothing here is shared between readers.
 */
#ifndef ALPROCLIP_H
#define ALPROCLIP_H

#include <stdarg.h>
#include <stdint.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>

/* What a call returns: 0, or one more than the value of Alpro.Data.Clips.RejectReason. */
enum {
    OK = 0, MISSING = 1, EMPTY, NOT_MEDIA, NO_VIDEO_STREAM, CORRUPT, TRUNCATED, TOO_LARGE, TIMED_OUT, READ_ERROR = 12, DENIED
};

/* The deepest reordering of frames of any codec; decoders abort on more. */
enum { MAX_DELAY = 16 };

/* What a reader may spend on one file. */
typedef struct Limits {
    int64_t deadline_ns;   /* on one call */
    int64_t max_pixels;    /* of a coded picture */
    int64_t max_packets;   /* of a video stream */
} Limits;

/* VideoInfo. */
typedef struct Info {
    double frame_rate;
    int32_t frame_count, width, height, rotation;
} Info;

/* A clip of a packed corpus, as its index describes it. */
typedef struct Packed {
    const uint8_t *header;         /* of the codec */
    const int32_t *sizes;          /* of each frame */
    const uint32_t *checksums;     /* of each frame: CRC-32 */
    double frame_rate;
    int64_t first;                 /* where its first frame lies among its bytes; the others follow without gaps */
    int32_t codec, width, height, frame_count, header_size;
} Packed;

/* Where the time of the last open and read went, and what was decoded for it. */
typedef struct Statistics {
    int64_t open_ns, index_ns, read_ns, decode_ns, convert_ns;
    int64_t packets, sent, dropped, bytes;
} Statistics;

/* One packet of the video stream, in decode order. */
typedef struct Packet {
    int64_t pts, position;
    int32_t size;
    uint8_t key, shown;
    uint32_t checksum;     /* of a packed clip */
} Packet;

/* How a decoded picture is turned for display, as the coefficients of the file's display matrix: -1, 0 or 1. */
typedef struct Orientation { int a, b, c, d; } Orientation;

/* What converting keeps from frame to frame and from clip to clip. */
typedef struct Picture {
    struct SwsContext *scaler;
    int source_width, source_height, source_format, colorspace, range, width, height, filter;
    AVFrame *turned, *rgb;
} Picture;

/* A frame that a call wants: the packet that holds it, the key packet to start from, the place in the caller's buffer. */
typedef struct Wanted {
    int ordinal, start, slot;
    int done, damaged;
} Wanted;

/*
 * Where the bytes of an input that is no file come from: size bytes at a position, or fewer at its end; how many came, < 0 on failure.
 * What it waits for others is not the reader's time.
 */
typedef int (*Input)(void *source, int64_t position, uint8_t *bytes, int size);

typedef struct Reader {
    Limits limits;
    Statistics statistics;
    char message[512];
    int64_t expires;
    int timed_out, read_errno, altered;

    int file;
    Input input;                        /* in place of the file */
    void *source;
    int64_t offset, length, position;   /* length < 0: a pipe, read once from front to end */
    AVIOContext *io;
    AVFormatContext *format;
    AVStream *stream;
    AVCodecParameters *packed;          /* of the codec, where the clip is a packed one, which no demuxer opens */
    AVFrame *still;                     /* the picture, where the file is an image */
    Orientation orientation;

    Packet *packets;
    int packet_count, packet_capacity;
    int *order, *wanted_at;             /* frame number -> packet; packet -> 1 + index into wanted */
    int frame_count, first_key, delay;
    int direct;                         /* packets are read at their position, without the demuxer */
    int counted;                        /* timestamps do not tell the order: frames are numbered as they come out */

    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    int next, output, chain, chain_broken;
    Wanted *wanted;
    int wanted_count, wanted_capacity, remaining;
    Picture picture;
    int filter, width, height;
    uint8_t *pixels;
} Reader;

/* file.c */
int64_t now_ns(void);
void begin(Reader *r);
int expired(Reader *r);
int fail(Reader *r, int reason, const char *format, ...) __attribute__((format(printf, 3, 4)));
int reading_failed(Reader *r, const char *task);
int was_oversized(void);
void keep_complaint(void *context, int level, const char *format, va_list arguments);
int read_at(Reader *r, int64_t position, uint8_t *bytes, int size);
int open_bytes(Reader *r, const char *path, int64_t offset, int64_t length);
int open_demuxer(Reader *r);
void close_demuxer(Reader *r);
int is_image(const AVFormatContext *f);
int check_size(Reader *r, int64_t width, int64_t height);
int open_codec(Reader *r);

/* decode.c */
int open_image(Reader *r);
int read_video(Reader *r, const int32_t *indices, int count);
int needed_ranges(const Reader *r, const int32_t *indices, int count, int64_t *ranges, int capacity);
int count_by_decoding(Reader *r);

/* index.c */
int build_index(Reader *r);
int index_from_pack(Reader *r, const Packed *clip);
int cut_short(Reader *r);

/* picture.c */
Orientation orientation_of(const AVStream *stream);
int rotation_of(Orientation o);
int convert(Picture *p, const AVFrame *frame, Orientation o, int width, int height, int filter, uint8_t *rgb);
void picture_free(Picture *p);

/* jpeg.c */
int encode_jpeg(const uint8_t *rgb, int width, int height, int to_width, int to_height, int quality, uint8_t *jpeg, int capacity);

#endif
