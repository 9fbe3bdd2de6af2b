/* Sums of a Gaussian kernel in D = 3: 128 rows of a block, columns in tiles of shared memory. */
struct sizes { const float *values; long long rows, columns; };

extern "C" __global__ void __launch_bounds__(128)
gauss(const float *__restrict__ x, const float *__restrict__ y, sizes b, float *__restrict__ out)
{
  __shared__ __align__(16) float tile[128][4];
  const long long i = (long long)blockIdx.x * 128 + threadIdx.x;
  float own[3], sum = 0.0f;
  for (int k = 0; k < 3; k++) own[k] = i < b.rows ? x[i * 3 + k] : 0.0f;
  for (long long from = 0; from < b.columns; from += 128) {
    const int count = b.columns - from < 128 ? (int)(b.columns - from) : 128;
    const long long j = from + threadIdx.x;
    if (j < b.columns) {
      for (int k = 0; k < 3; k++) tile[threadIdx.x][k] = y[j * 3 + k];
      tile[threadIdx.x][3] = b.values[j];
    }
    __syncthreads(); /* filled */
#pragma unroll 4
    for (int c = 0; c < count; c++) {
      float square = 0.0f;
      for (int k = 0; k < 3; k++) {
        const float d = own[k] - tile[c][k];
        square = fmaf(d, d, square);
      }
      sum = fmaf(expf(-square), tile[c][3], sum);
    }
    __syncthreads(); /* read */
  }
  if (i < b.rows) out[i] = sum;
}
