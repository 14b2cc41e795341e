/* Decoded frames to RGB24 of the wanted size: turned as the file asks, then scaled as libavfilter's scale does, bit for bit. */
#include "alproclip.h"
#include <string.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>

static int sign(int32_t v) { return (v > 0) - (v < 0); }

/* The quarter turn or mirroring a stream asks for; any other matrix, such as a slant, is left alone. */
Orientation orientation_of(const AVStream *stream)
{
    const Orientation upright = { 1, 0, 0, 1 };
    const int32_t *m = NULL;
#if LIBAVFORMAT_VERSION_MAJOR >= 61
    const AVPacketSideData *side = av_packet_side_data_get(stream->codecpar->coded_side_data,
                                                           stream->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    if (side && side->size >= 9 * sizeof(int32_t)) m = (const int32_t *)side->data;
#else
    m = (const int32_t *)av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, NULL);
#endif
    if (!m) return upright;
    Orientation o = { sign(m[0]), sign(m[1]), sign(m[3]), sign(m[4]) };
    int straight = o.a && o.d && !o.b && !o.c, turned = o.b && o.c && !o.a && !o.d;
    return straight || turned ? o : upright;
}

/* Clockwise degrees of an orientation; a mirrored one counts as the turn it contains. */
int rotation_of(Orientation o)
{
    return o.b ? (o.b > 0 ? 90 : 270) : (o.a < 0 && o.d < 0 ? 180 : 0);
}

/* One plane of width x height elements of step bytes, turned: walking the result in rows walks the source in steps dx and dy. */
static void turn_plane(const uint8_t *source, int stride, uint8_t *result, int result_stride, int width, int height, int step, Orientation o)
{
    int columns = o.b ? height : width, rows = o.b ? width : height;
    ptrdiff_t dx = o.a * step + (ptrdiff_t)o.c * stride, dy = o.b * step + (ptrdiff_t)o.d * stride;
    source += (o.a + o.b < 0 ? (ptrdiff_t)(width - 1) * step : 0) + (o.c + o.d < 0 ? (ptrdiff_t)(height - 1) * stride : 0);
    for (int y = 0; y < rows; y++) {
        const uint8_t *from = source + y * dy;
        uint8_t *to = result + (ptrdiff_t)y * result_stride;
        if (step == 1) for (int x = 0; x < columns; x++, from += dx) to[x] = *from;
        else for (int x = 0; x < columns; x++, from += dx, to += step) memcpy(to, from, step);
    }
}

/* Gives *frame the format and size, with fresh memory where it has others. */
static int shape(AVFrame **frame, int format, int width, int height)
{
    if (*frame && (*frame)->format == format && (*frame)->width == width && (*frame)->height == height) return 0;
    av_frame_free(frame);
    if (!(*frame = av_frame_alloc())) return AVERROR(ENOMEM);
    (*frame)->format = format, (*frame)->width = width, (*frame)->height = height;
    return av_frame_get_buffer(*frame, 0);
}

/* Whether the planes of a format can be turned as they are: whole bytes, and chroma that fits after a quarter turn. */
static int can_turn(int format, Orientation o)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);
    if (!d || d->flags & (AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_HWACCEL)) return 0;
    if (o.b && d->log2_chroma_w != d->log2_chroma_h) return 0;
    return d->flags & AV_PIX_FMT_FLAG_PLANAR || d->nb_components == 1;
}

static int turn(Picture *p, const AVFrame *frame, Orientation o)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(frame->format);
    int steps[4];
    int error = shape(&p->turned, frame->format, o.b ? frame->height : frame->width, o.b ? frame->width : frame->height);
    if (error < 0) return error;
    av_image_fill_max_pixsteps(steps, NULL, d);
    for (int plane = 0; plane < 4 && frame->data[plane]; plane++) {
        int chroma = plane == 1 || plane == 2;
        int width = chroma ? AV_CEIL_RSHIFT(frame->width, d->log2_chroma_w) : frame->width;
        int height = chroma ? AV_CEIL_RSHIFT(frame->height, d->log2_chroma_h) : frame->height;
        turn_plane(frame->data[plane], frame->linesize[plane], p->turned->data[plane], p->turned->linesize[plane], width, height, steps[plane], o);
    }
    p->turned->colorspace = frame->colorspace;
    p->turned->color_range = frame->color_range;
    return 0;
}

/* The scaler for this kind of frame, the last one where it fits. The settings are those by which libavfilter sets its own. */
static int prepare_scaler(Picture *p, const AVFrame *f, int width, int height, int filter)
{
    if (p->scaler && p->source_width == f->width && p->source_height == f->height && p->source_format == f->format && p->range == (int)f->color_range
        && p->colorspace == (int)f->colorspace && p->width == width && p->height == height && p->filter == filter) return 0;
    sws_freeContext(p->scaler);
    if (!(p->scaler = sws_alloc_context())) return AVERROR(ENOMEM);
    p->source_width = f->width, p->source_height = f->height, p->source_format = f->format;
    p->colorspace = f->colorspace, p->range = f->color_range, p->width = width, p->height = height, p->filter = filter;
    av_opt_set_int(p->scaler, "srcw", f->width, 0);
    av_opt_set_int(p->scaler, "srch", f->height, 0);
    av_opt_set_int(p->scaler, "src_format", f->format, 0);
    av_opt_set_int(p->scaler, "dstw", width, 0);
    av_opt_set_int(p->scaler, "dsth", height, 0);
    av_opt_set_int(p->scaler, "dst_format", AV_PIX_FMT_RGB24, 0);
    av_opt_set_int(p->scaler, "sws_flags", filter ? SWS_BICUBIC : SWS_BILINEAR, 0);
    if (f->format == AV_PIX_FMT_YUV420P) av_opt_set_int(p->scaler, "src_v_chr_pos", 128, 0);
    int error = sws_init_context(p->scaler, NULL, NULL);
    int *old, *table, full, out_full, brightness, contrast, saturation;
    if (error >= 0 && sws_getColorspaceDetails(p->scaler, &old, &full, &table, &out_full, &brightness, &contrast, &saturation) >= 0) {
        const int *matrix = sws_getCoefficients(f->colorspace);
        if (f->color_range != AVCOL_RANGE_UNSPECIFIED) full = f->color_range == AVCOL_RANGE_JPEG;
        sws_setColorspaceDetails(p->scaler, matrix, full, matrix, out_full, brightness, contrast, saturation);
    }
    if (error < 0) sws_freeContext(p->scaler), p->scaler = NULL;
    return error;
}

/* Scales one frame to width x height RGB bytes without gaps. */
int convert(Picture *p, const AVFrame *frame, Orientation o, int width, int height, int filter, uint8_t *rgb)
{
    int turned = o.a != 1 || o.d != 1, error = 0, late = turned && !can_turn(frame->format, o);
    if (turned && !late) {
        if ((error = turn(p, frame, o)) < 0) return error;
        frame = p->turned;
    }
    int across = late && o.b ? height : width, down = late && o.b ? width : height;
    if ((error = prepare_scaler(p, frame, across, down, filter)) < 0) return error;
    /* swscale may write past the end of a row: into memory of our own, then copied. */
    if ((error = shape(&p->rgb, AV_PIX_FMT_RGB24, FFALIGN(across, 32), down)) < 0) return error;
    error = sws_scale(p->scaler, (const uint8_t *const *)frame->data, frame->linesize, 0, frame->height, p->rgb->data, p->rgb->linesize);
    if (error < 0) return error;
    if (late) turn_plane(p->rgb->data[0], p->rgb->linesize[0], rgb, width * 3, across, down, 3, o);
    else for (int y = 0; y < height; y++) memcpy(rgb + (size_t)y * width * 3, p->rgb->data[0] + (ptrdiff_t)y * p->rgb->linesize[0], (size_t)width * 3);
    return 0;
}

void picture_free(Picture *p)
{
    sws_freeContext(p->scaler);
    av_frame_free(&p->turned);
    av_frame_free(&p->rgb);
}
