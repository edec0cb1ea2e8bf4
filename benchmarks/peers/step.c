/* The training step by hand: the limit that other peers are held to.

   Built for one cell: BATCH, BLOCK, EMBED, HIDDEN, LAYERS, VOCAB are macros. Every axis of features
   is padded to whole tiles with zeros, which stay zeros. */
#include <math.h>
#include <string.h>

#define IN1 (BLOCK * EMBED)
#define IN1P PAD(IN1)
#define HP PAD(HIDDEN)
#define VP PAD(VOCAB)
#define LONGEST (HP > IN1P ? (HP > VP ? HP : VP) : (IN1P > VP ? IN1P : VP))
#define EPS 1e-5f

#include "product.h"

/* exp by 2^n times a polynomial (Cephes' expf): vectorises, which the library's does not */
INLINE float fast_exp(float x) {
    x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    float n = __builtin_rintf(x * 1.44269504f);
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    union { int32_t i; float f; } scale = {((int32_t)n + 127) << 23};
    return p * scale.f;
}

/* tanh as x times a ratio of polynomials in x^2, cut where it is 1 in float32 (Eigen's form) */
INLINE vec fast_tanh(vec x) {
    const vec end = 7.90531110763549805f + (vec){0};
    bits over = x > end, under = x < -end;
    x = (vec)(((bits)x & ~(over | under)) | ((bits)end & over) | ((bits)-end & under));
    vec s = x * x;
    vec p = -2.76076847742355e-16f + (vec){0};
    p = p * s + 2.00018790482477e-13f;
    p = p * s - 8.60467152213735e-11f;
    p = p * s + 5.12229709037114e-08f;
    p = p * s + 1.48572235717979e-05f;
    p = p * s + 6.37261928875436e-04f;
    p = p * s + 4.89352455891786e-03f;
    vec q = 1.19825839466702e-06f + (vec){0};
    q = q * s + 1.18534705686654e-04f;
    q = q * s + 2.26843463243900e-03f;
    q = q * s + 4.89352518554385e-03f;
    return x * p / q;
}

typedef struct {
    float *C;                                  /* (VOCAB, EMBED) */
    float *W[LAYERS + 1], *b[LAYERS + 1];      /* (in, PAD(out)) */
    float *gain[LAYERS], *bias[LAYERS];        /* HP */
    float *mean[LAYERS], *var[LAYERS];         /* running, HP */
} parameters;

static float x0[BATCH][IN1P], dx0[BATCH][IN1P];
static float h[LAYERS][BATCH][HP], raw[LAYERS][BATCH][HP], d[2][BATCH][HP];
static float rstd[LAYERS][HP], logits[BATCH][VP], dC[VOCAB][EMBED];

/* Strips of columns: their batch's statistics, normalised, scaled, squashed; bias cancels here */
INLINE void batchnorm_tanh_strip(const parameters *p, int l, int j0, float momentum) {
    for (int j = j0; j < j0 + NR; j += VW) {
        vec m = {0}, v = {0}, r;
        for (int i = 0; i < BATCH; i++) m += AT(raw[l][i][j]);
        m *= 1.0f / BATCH;
        for (int i = 0; i < BATCH; i++) {
            vec diff = AT(raw[l][i][j]) - m;
            AT(raw[l][i][j]) = diff;
            v += diff * diff;
        }
        v *= 1.0f / (BATCH - 1);
        for (int k = 0; k < VW; k++) r[k] = 1.0f / sqrtf(v[k] + EPS);
        AT(rstd[l][j]) = r;
        AT(p->mean[l][j]) += momentum * (m + AT(p->b[l][j]) - AT(p->mean[l][j]));
        AT(p->var[l][j]) += momentum * (v - AT(p->var[l][j]));
        vec scale = AT(p->gain[l][j]), shift = AT(p->bias[l][j]);
        for (int i = 0; i < BATCH; i++) {
            vec x = AT(raw[l][i][j]) * r;
            AT(raw[l][i][j]) = x;
            AT(h[l][i][j]) = fast_tanh(scale * x + shift);
        }
    }
}

static void batchnorm_tanh(const parameters *p, int l, float momentum) {
    FOR_EACH(j0, HP, NR, (long)BATCH * HP >= LARGE / 64, batchnorm_tanh_strip(p, l, j0, momentum))
}

/* dh in, dhprebn out, in place; gain, bias and the linear layer's bias updated */
INLINE void batchnorm_tanh_backward_strip(const parameters *p, int l, int j0, float (*dh)[HP],
                                          float lr) {
    for (int j = j0; j < j0 + NR; j += VW) {
        vec sum = {0}, dot = {0}, left = {0};
        for (int i = 0; i < BATCH; i++) {
            vec y = AT(h[l][i][j]), g = AT(dh[i][j]) * (1.0f - y * y);
            AT(dh[i][j]) = g;
            sum += g;
            dot += g * AT(raw[l][i][j]);
        }
        vec scale = AT(p->gain[l][j]) * AT(rstd[l][j]);
        AT(p->gain[l][j]) -= lr * dot;
        AT(p->bias[l][j]) -= lr * sum;
        sum *= 1.0f / BATCH, dot *= 1.0f / (BATCH - 1);
        for (int i = 0; i < BATCH; i++) {
            vec g = scale * (AT(dh[i][j]) - sum - AT(raw[l][i][j]) * dot);
            AT(dh[i][j]) = g;
            left += g;
        }
        AT(p->b[l][j]) -= lr * left;
    }
}

static void batchnorm_tanh_backward(const parameters *p, int l, float (*dh)[HP], float lr) {
    FOR_EACH(j0, HP, NR, (long)BATCH * HP >= LARGE / 64, batchnorm_tanh_backward_strip(p, l, j0, dh, lr))
}

static float cross_entropy(const int64_t *ix, const int64_t *targets) {
    float loss = 0;
    for (int i = 0; i < BATCH; i++) {
        float *row = logits[i], most = row[0], total = 0, target = row[targets[ix[i]]];
        for (int j = 1; j < VOCAB; j++) most = row[j] > most ? row[j] : most;
        for (int j = 0; j < VP; j++) row[j] = j < VOCAB ? fast_exp(row[j] - most) : 0;
        for (int j = 0; j < VP; j++) total += row[j];
        loss += logf(total) + most - target;
        float scale = 1.0f / (total * BATCH);
        for (int j = 0; j < VP; j++) row[j] *= scale;
        row[targets[ix[i]]] -= 1.0f / BATCH;
    }
    return loss / BATCH;
}

static float one_step(const parameters *p, const int64_t *inputs, const int64_t *targets,
                      const int64_t *ix, float lr, float momentum) {
    for (int i = 0; i < BATCH; i++)
        for (int t = 0; t < BLOCK; t++)
            memcpy(x0[i] + t * EMBED, p->C + inputs[ix[i] * BLOCK + t] * EMBED, 4 * EMBED);
    gemm(BATCH, HP, IN1, x0[0], IN1P, 1, p->W[0], HP, 1, raw[0][0], HP, 0, 1.0f);
    batchnorm_tanh(p, 0, momentum);
    for (int l = 1; l < LAYERS; l++) {
        gemm(BATCH, HP, HIDDEN, h[l - 1][0], HP, 1, p->W[l], HP, 1, raw[l][0], HP, 0, 1.0f);
        batchnorm_tanh(p, l, momentum);
    }
    gemm(BATCH, VP, HIDDEN, h[LAYERS - 1][0], HP, 1, p->W[LAYERS], VP, 1, logits[0], VP, 0, 1.0f);
    for (int i = 0; i < BATCH; i++)
        for (int j = 0; j < VP; j++) logits[i][j] += p->b[LAYERS][j];
    float loss = cross_entropy(ix, targets);

    gemm(BATCH, HP, VOCAB, logits[0], VP, 1, p->W[LAYERS], 1, VP, d[0][0], HP, 0, 1.0f);
    gemm(HIDDEN, VP, BATCH, h[LAYERS - 1][0], 1, HP, logits[0], VP, 1, p->W[LAYERS], VP, 1, -lr);
    float db[VP] = {0};
    for (int i = 0; i < BATCH; i++)
        for (int j = 0; j < VP; j++) db[j] += logits[i][j];
    for (int j = 0; j < VP; j++) p->b[LAYERS][j] -= lr * db[j];
    for (int l = LAYERS - 1; l > 0; l--) {
        float (*dh)[HP] = d[(LAYERS - 1 - l) % 2], (*below)[HP] = d[(LAYERS - l) % 2];
        batchnorm_tanh_backward(p, l, dh, lr);
        gemm(BATCH, HP, HIDDEN, dh[0], HP, 1, p->W[l], 1, HP, below[0], HP, 0, 1.0f);
        gemm(HIDDEN, HP, BATCH, h[l - 1][0], 1, HP, dh[0], HP, 1, p->W[l], HP, 1, -lr);
    }
    float (*dh)[HP] = d[(LAYERS - 1) % 2];
    batchnorm_tanh_backward(p, 0, dh, lr);
    gemm(BATCH, IN1P, HIDDEN, dh[0], HP, 1, p->W[0], 1, HP, dx0[0], IN1P, 0, 1.0f);
    gemm(IN1, HP, BATCH, x0[0], 1, IN1P, dh[0], HP, 1, p->W[0], HP, 1, -lr);
    /* summed first: thousands of small updates of one row would each be rounded */
    memset(dC, 0, sizeof dC);
    for (int i = 0; i < BATCH; i++)
        for (int t = 0; t < BLOCK; t++)
            for (int e = 0; e < EMBED; e++)
                dC[inputs[ix[i] * BLOCK + t]][e] += dx0[i][t * EMBED + e];
    for (int v = 0; v < VOCAB; v++)
        for (int e = 0; e < EMBED; e++) p->C[v * EMBED + e] -= lr * dC[v][e];
    return loss;
}

int row_length(int n) { return PAD(n); }

/* `steps` steps on the batches rows[first % pool], ...; the last loss */
float run(const parameters *p, const int64_t *inputs, const int64_t *targets, const int64_t *rows,
          long first, long steps, long pool, float lr, float momentum) {
    float loss = 0;
    for (long step = first; step < first + steps; step++)
        loss = one_step(p, inputs, targets, rows + step % pool * BATCH, lr, momentum);
    return loss;
}
