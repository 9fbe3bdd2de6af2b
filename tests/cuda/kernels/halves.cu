/* All halves to float and back; floats to halves. */
extern "C" __global__ void __launch_bounds__(128)
halves(const float *numbers, long long n, float *from_half, unsigned short *to_half)
{
  for (int k = (int)threadIdx.x; k < 65536; k += 128) from_half[k] = rk_half_to_float(k);
  for (long long k = threadIdx.x; k < n; k += 128) to_half[k] = rk_float_to_half(numbers[k]);
}

/* What it should not do. */
extern "C" __global__ void touch(double *p, long long at, double value)
{
  if (threadIdx.x == 0) p[at] = value;
}
