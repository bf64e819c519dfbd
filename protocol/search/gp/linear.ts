/**
 * Linear algebra: what a Gaussian process needs of small, dense, symmetric matrices.
 *
 * Owns factors and inverses; knows nothing of kernels or losses. A symmetric matrix is an array of rows of which only
 * the lower triangle is read: row i has at least i + 1 entries.
 */

export type Vector = Float64Array
export type Rows = readonly Float64Array[]

// Inner loops count by index: an iterator's pairs cost as much as what is done with them.

/** Returns the sum of the products of the first `length` entries. Four sums side by side: twice as quick as one. */
export function dot(a: Vector, b: Vector, length = a.length): number {
  let [first, second, third, fourth] = [0, 0, 0, 0]
  let i = 0
  for (; i + 3 < length; i += 4) {
    first += (a[i] as number) * (b[i] as number)
    second += (a[i + 1] as number) * (b[i + 1] as number)
    third += (a[i + 2] as number) * (b[i + 2] as number)
    fourth += (a[i + 3] as number) * (b[i + 3] as number)
  }
  for (; i < length; i++) first += (a[i] as number) * (b[i] as number)
  return first + second + (third + fourth)
}

/** Adds `factor` times the first `length` entries of `source` to `target`. */
export function addScaled(target: Vector, factor: number, source: Vector, length = source.length): void {
  for (let i = 0; i < length; i++) target[i] = (target[i] as number) + factor * (source[i] as number)
}

/**
 * Returns the lower triangular L with L Lᵀ = A; undefined when A is not positive definite in doubles.
 *
 * Source: the Cholesky-Banachiewicz algorithm (Golub and Van Loan, "Matrix Computations", 4.2).
 */
export function cholesky(matrix: Rows): Rows | undefined {
  const factor: Float64Array[] = []
  for (const [i, source] of matrix.entries()) {
    const row = new Float64Array(i + 1)
    for (let j = 0; j < i; j++) {
      const above = factor[j] as Float64Array
      row[j] = ((source[j] as number) - dot(row, above, j)) / (above[j] as number)
    }
    const pivot = (source[i] as number) - dot(row, row, i)
    // Also false for NaN.
    if (!(pivot > 0 && pivot < Number.POSITIVE_INFINITY)) return undefined
    row[i] = Math.sqrt(pivot)
    factor.push(row)
  }
  return factor
}

/** Returns x with L x = b. */
export function solveLower(factor: Rows, b: Vector): Vector {
  const x = b.slice()
  for (let i = 0; i < factor.length; i++) {
    const row = factor[i] as Float64Array
    x[i] = ((x[i] as number) - dot(row, x, i)) / (row[i] as number)
  }
  return x
}

/** Returns x with L Lᵀ x = b. */
export function solve(factor: Rows, b: Vector): Vector {
  return solveUpper(factor, solveLower(factor, b))
}

/** Returns x with Lᵀ x = b. */
export function solveUpper(factor: Rows, b: Vector): Vector {
  const x = b.slice()
  for (let i = factor.length - 1; i >= 0; i--) {
    const row = factor[i] as Float64Array
    x[i] = (x[i] as number) / (row[i] as number)
    addScaled(x, -(x[i] as number), row, i)
  }
  return x
}

/** Returns the inverse of A = L Lᵀ as whole rows, both triangles. */
export function inverse(factor: Rows): Rows {
  const size = factor.length
  const triangular = inverseOfLower(factor)
  const rows = Array.from({ length: size }, () => new Float64Array(size))
  // A⁻¹ = L⁻ᵀ L⁻¹: the sum over the rows of L⁻¹ of their outer products.
  for (const [k, source] of triangular.entries()) {
    for (let i = 0; i <= k; i++) addScaled(rows[i] as Float64Array, source[i] as number, source, i + 1)
  }
  for (const [i, row] of rows.entries()) for (let j = 0; j < i; j++) (rows[j] as Float64Array)[i] = row[j] as number
  return rows
}

/** Returns L⁻¹, lower triangular as L is. */
export function inverseOfLower(factor: Rows): Rows {
  const rows: Float64Array[] = []
  for (const [i, source] of factor.entries()) {
    const row = new Float64Array(i + 1)
    for (let k = 0; k < i; k++) addScaled(row, source[k] as number, rows[k] as Float64Array, k + 1)
    const pivot = source[i] as number
    for (let j = 0; j < i; j++) row[j] = -(row[j] as number) / pivot
    row[i] = 1 / pivot
    rows.push(row)
  }
  return rows
}
