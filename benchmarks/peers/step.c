/* The training step by hand: the limit that other peers are held to.

   Built for one cell: BATCH, BLOCK, EMBED, HIDDEN, LAYERS, VOCAB are macros. Every axis of features
   is padded to whole tiles of NR with zeros, which stay zeros. Products are BLIS's: strips of B and
   blocks of A copied where they do not fit the nearest cache, MR x NR of C in registers
   (Van Zee, van de Geijn, 2015). */
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX512F__
#define VW 16
#define MR 8
#else
#define VW 8
#define MR 6
#endif
#define MRMAX 8
#define NR (2 * VW)
#define TILED(n) (((n) + NR - 1) / NR * NR)
/* rows a power of two apart would all fall into the same few lines of the cache */
#define PAD(n) (TILED(n) + (TILED(n) % 256 ? 0 : NR))
#define IN1 (BLOCK * EMBED)
#define IN1P PAD(IN1)
#define HP PAD(HIDDEN)
#define VP PAD(VOCAB)
#define KC 256
#define MC 96
#define LARGE (1 << 24) /* multiply-adds from which a second thread helps */
#define EPS 1e-5f

/* Split over threads only where `parallel`: an outlined loop would lose the constant sizes */
#define FOR_EACH(i, n, by, parallel, ...)                              \
    if (parallel) {                                                    \
        _Pragma("omp parallel for schedule(dynamic)")                  \
        for (int i = 0; i < (n); i += (by)) { __VA_ARGS__; }           \
    } else                                                             \
        for (int i = 0; i < (n); i += (by)) { __VA_ARGS__; }

typedef float vec __attribute__((vector_size(4 * VW), aligned(4)));
typedef int32_t bits __attribute__((vector_size(4 * VW)));
#define AT(x) (*(vec *)&(x))
#define INLINE static inline __attribute__((always_inline))

/* c[m][NR] = a(i, k) b[k][NR], or c + alpha times that; m is a constant wherever this is inlined */
INLINE void tile(int m, int K, const float *a, long ar, long ac, const float *b, long br,
                 float *c, long ldc, int add, float alpha) {
    vec acc[MRMAX][2];
    for (int i = 0; i < m; i++)
        for (int j = 0; j < 2; j++)
            acc[i][j] = (vec){0};
    for (int k = 0; k < K; k++) {
        vec b0 = *(const vec *)(b + k * br), b1 = *(const vec *)(b + k * br + VW);
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            float x = a[i * ar + k * ac];
            acc[i][0] += x * b0;
            acc[i][1] += x * b1;
        }
    }
    for (int i = 0; i < m; i++)
        for (int j = 0; j < 2; j++) {
            vec *to = (vec *)(c + i * ldc + j * VW);
            *to = add ? *to + alpha * acc[i][j] : acc[i][j];
        }
}

INLINE void tiles(int m, int K, const float *a, long ar, long ac, const float *b, long br,
                  float *c, long ldc, int add, float alpha) {
    switch (m) {
    case 1: tile(1, K, a, ar, ac, b, br, c, ldc, add, alpha); break;
    case 2: tile(2, K, a, ar, ac, b, br, c, ldc, add, alpha); break;
    case 3: tile(3, K, a, ar, ac, b, br, c, ldc, add, alpha); break;
    case 4: tile(4, K, a, ar, ac, b, br, c, ldc, add, alpha); break;
    case 5: tile(5, K, a, ar, ac, b, br, c, ldc, add, alpha); break;
    case 6: tile(6, K, a, ar, ac, b, br, c, ldc, add, alpha); break;
    case 7: tile(7, K, a, ar, ac, b, br, c, ldc, add, alpha); break;
    case 8: tile(8, K, a, ar, ac, b, br, c, ldc, add, alpha); break;
    }
}

#define LONGEST (HP > IN1P ? (HP > VP ? HP : VP) : (IN1P > VP ? IN1P : VP))
static float packed_b[(size_t)KC * LONGEST] __attribute__((aligned(64)));

typedef float four __attribute__((vector_size(16), aligned(4)));
/* to(k, j) = b(k, j) for four by four, b's columns far apart */
INLINE void transpose_four(const float *b, long bc, float *to) {
    const four *r[4] = {(const four *)b, (const four *)(b + bc), (const four *)(b + 2 * bc),
                        (const four *)(b + 3 * bc)};
    four s = __builtin_shufflevector(*r[0], *r[1], 0, 4, 1, 5);
    four t = __builtin_shufflevector(*r[2], *r[3], 0, 4, 1, 5);
    four u = __builtin_shufflevector(*r[0], *r[1], 2, 6, 3, 7);
    four v = __builtin_shufflevector(*r[2], *r[3], 2, 6, 3, 7);
    *(four *)to = __builtin_shufflevector(s, t, 0, 1, 4, 5);
    *(four *)(to + NR) = __builtin_shufflevector(s, t, 2, 3, 6, 7);
    *(four *)(to + 2 * NR) = __builtin_shufflevector(u, v, 0, 1, 4, 5);
    *(four *)(to + 3 * NR) = __builtin_shufflevector(u, v, 2, 3, 6, 7);
}

/* One strip of b(k, j) = b[k*br + j*bc], NR columns side by side */
INLINE void pack_strip(int kc, const float *b, long br, long bc, float *to) {
    if (bc == 1)
        for (int k = 0; k < kc; k++)
            for (int j = 0; j < NR; j++) to[k * NR + j] = b[k * br + j];
    else
        for (int j = 0; j < NR; j += 4) {
            int k = 0; /* br is 1 */
            for (; k + 4 <= kc; k += 4) transpose_four(b + k + j * bc, bc, to + k * NR + j);
            for (; k < kc; k++)
                for (int i = j; i < j + 4; i++) to[k * NR + i] = b[k + i * bc];
        }
}

/* A block of a(i, k) = a[i*ar + k*ac], MR rows side by side */
INLINE void pack_block(int mc, int kc, const float *a, long ar, long ac, float *to) {
    for (int i1 = 0; i1 < mc; i1 += MR, to += MR * kc) {
        int mr = mc - i1 < MR ? mc - i1 : MR;
        if (ac == 1)
            for (int i = 0; i < mr; i++)
                for (int k = 0; k < kc; k++) to[k * MR + i] = a[(i1 + i) * ar + k];
        else
            for (int k = 0; k < kc; k++)
                for (int i = 0; i < mr; i++) to[k * MR + i] = a[(i1 + i) * ar + k * ac];
    }
}

/* c[mc][N] from one block of a and all strips of b, packed or as they lie */
INLINE void block(int mc, int N, int kc, const float *a, long ar, long ac, int direct_a,
                  const float *b, long br, int direct_b, float *c, long ldc, int add, float alpha) {
    float packed_a[MC * KC] __attribute__((aligned(64)));
    if (!direct_a) pack_block(mc, kc, a, ar, ac, packed_a);
    for (int j0 = 0; j0 < N; j0 += NR) {
        const float *strip = direct_b ? b + j0 : packed_b + (long)j0 * kc;
        for (int i = 0; i < mc; i += MR) {
            const float *rows = direct_a ? a + i * ar : packed_a + i * kc;
            float *to = c + i * ldc + j0;
            long rr = direct_a ? ar : 1, rc = direct_a ? ac : MR, sr = direct_b ? br : NR;
            if (mc - i >= MR) tile(MR, kc, rows, rr, rc, strip, sr, to, ldc, add, alpha);
            else tiles(mc - i, kc, rows, rr, rc, strip, sr, to, ldc, add, alpha);
        }
    }
}

/* c[M][N] = a b, or c + alpha a b, with strides as above; N whole tiles, the sizes constants */
INLINE void gemm(int M, int N, int K, const float *a, long ar, long ac,
                 const float *b, long br, long bc, float *c, long ldc, int update, float alpha) {
    const int direct_b = bc == 1 && (long)K * N <= 16384, direct_a = (long)M * K <= 16384;
    if (direct_a && direct_b) {
        block(M, N, K, a, ar, ac, 1, b, br, 1, c, ldc, update, alpha);
        return;
    }
    for (int k0 = 0; k0 < K; k0 += KC) {
        int kc = K - k0 < KC ? K - k0 : KC, add = update || k0 > 0;
        float factor = update ? alpha : 1.0f;
        FOR_EACH(j0, N, NR, (long)M * N * K >= LARGE,
                 if (!direct_b) pack_strip(kc, b + k0 * br + j0 * bc, br, bc, packed_b + (long)j0 * kc))
        FOR_EACH(i0, M, MC, (long)M * N * K >= LARGE,
                 block(M - i0 < MC ? M - i0 : MC, N, kc, a + i0 * ar + k0 * ac, ar, ac, direct_a,
                       b + k0 * br, br, direct_b, c + i0 * ldc, ldc, add, factor))
    }
}

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
