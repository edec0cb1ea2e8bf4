/* Vectors, tiles and products for step.c, which says the longest row that is ever multiplied,
   LONGEST.

   Products are BLIS's: strips of B and blocks of A copied where they do not fit the nearest cache,
   MR x NR of C in registers (Van Zee, van de Geijn, 2015). */
#include <stdint.h>

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
#define KC 256
#define MC 96
#define LARGE (1 << 24) /* multiply-adds from which a second thread helps */

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
