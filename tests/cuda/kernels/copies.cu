/* out[i] = sum over all y of (y - i): records of 4 floats, copied to shared memory asynchronously,
 * double buffered, 64 threads. `n` is a multiple of 4. */
extern "C" __global__ void __launch_bounds__(64)
copies(const float *__restrict__ y, long long n, float *__restrict__ out)
{
  __shared__ __align__(16) float tile[2][256];
  const int t = (int)threadIdx.x, own = (int)(blockIdx.x * 64 + threadIdx.x);
  float sum = 0.0f;
  if (t * 4 < n) rk_copy_async_16(&tile[0][t * 4], y + t * 4);
  rk_copy_commit();
  for (long long from = 0, now = 0; from < n; from += 256, now ^= 1) {
    rk_copy_wait_all();
    __syncthreads(); /* the tile is there, and nobody reads the other one */
    const long long next = from + 256 + t * 4;
    if (next < n) rk_copy_async_16(&tile[now ^ 1][t * 4], y + next);
    rk_copy_commit();
    const int count = n - from < 256 ? (int)(n - from) : 256;
    for (int c = 0; c < count; c++) sum += tile[now][c] - (float)own;
  }
  rk_copy_wait_all();
  out[own] = sum;
}
