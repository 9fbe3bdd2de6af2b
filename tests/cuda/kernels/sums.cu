/* Sums of 256 numbers for each block: by shuffles within warps, then through shared memory. */
extern "C" __global__ void __launch_bounds__(256) sums(const float *v, long long n, float *out)
{
  __shared__ float warp[9];
  const long long i = (long long)blockIdx.x * 256 + threadIdx.x;
  float s = i < n ? v[i] : 0.0f;
  for (int by = 16; by > 0; by >>= 1) s += __shfl_xor_sync(0xffffffffu, s, by);
  if ((threadIdx.x & 31) == 0) warp[threadIdx.x >> 5] = s;
  __syncthreads(); /* warps are summed */
  if (threadIdx.x < 32) {
    s = threadIdx.x < 8 ? warp[threadIdx.x] : 0.0f;
    for (int by = 4; by > 0; by >>= 1) s += __shfl_down_sync(0xffffffffu, s, by);
    if (threadIdx.x == 0) warp[8] = s;
  }
  __syncthreads(); /* the block is summed */
  if (threadIdx.x == 255) out[blockIdx.x] = warp[8];
}

/* The same for 32 numbers, in shared memory, by one warp. */
extern "C" __global__ void __launch_bounds__(32) warp_sums(const float *v, long long n, float *out)
{
  __shared__ float part[32];
  const int t = (int)threadIdx.x;
  const long long i = (long long)blockIdx.x * 32 + t;
  part[t] = i < n ? v[i] : 0.0f;
  __syncwarp(); /* written */
  for (int by = 16; by > 0; by >>= 1) {
    if (t < by) part[t] += part[t + by];
    __syncwarp(); /* added */
  }
  if (t == 0) out[blockIdx.x] = part[0];
}
