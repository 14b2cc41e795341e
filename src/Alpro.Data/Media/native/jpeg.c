/* RGB bytes to a JPEG for people to look at. */
#include "alproclip.h"
#include <string.h>

/* The picture in the encoder's format and size. */
static AVFrame *scaled(const uint8_t *rgb, int width, int height, int to_width, int to_height)
{
    AVFrame *frame = av_frame_alloc();
    struct SwsContext *scaler = sws_getContext(width, height, AV_PIX_FMT_RGB24, to_width, to_height, AV_PIX_FMT_YUVJ420P, SWS_AREA, NULL, NULL, NULL);
    const uint8_t *const from[4] = { rgb };
    const int strides[4] = { 3 * width };
    int error = !frame || !scaler;
    if (!error) {
        frame->format = AV_PIX_FMT_YUVJ420P, frame->width = to_width, frame->height = to_height;
        error = av_frame_get_buffer(frame, 0) < 0 || sws_scale(scaler, from, strides, 0, height, frame->data, frame->linesize) < 0;
    }
    sws_freeContext(scaler);
    if (error) av_frame_free(&frame);
    return frame;
}

/* quality is the scale of the quantisers, from 1, the best, to 31. */
int encode_jpeg(const uint8_t *rgb, int width, int height, int to_width, int to_height, int quality, uint8_t *jpeg, int capacity)
{
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
    AVCodecContext *encoder = codec ? avcodec_alloc_context3(codec) : NULL;
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = scaled(rgb, width, height, to_width, to_height);
    int size = -1;
    if (encoder && packet && frame) {
        encoder->width = to_width, encoder->height = to_height, encoder->pix_fmt = AV_PIX_FMT_YUVJ420P;
        encoder->time_base = (AVRational){ 1, 1 };
        encoder->flags |= AV_CODEC_FLAG_QSCALE | AV_CODEC_FLAG_BITEXACT;
        encoder->global_quality = frame->quality = FF_QP2LAMBDA * quality;
        encoder->thread_count = 1;
        if (avcodec_open2(encoder, codec, NULL) >= 0 && avcodec_send_frame(encoder, frame) >= 0 && avcodec_receive_packet(encoder, packet) >= 0
            && packet->size <= capacity) memcpy(jpeg, packet->data, size = packet->size);
    }
    av_frame_free(&frame);
    av_packet_free(&packet);
    avcodec_free_context(&encoder);
    return size;
}
