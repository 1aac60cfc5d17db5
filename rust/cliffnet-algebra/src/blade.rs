//! Basis blades as bit masks.

/// The grade of a blade: the number of its generators.
#[inline]
pub const fn grade(mask: u64) -> u32 {
    mask.count_ones()
}

/// The mask of the pseudoscalar of `dim` generators, 2^dim - 1.
#[inline]
pub const fn full_mask(dim: usize) -> u64 {
    (1 << dim) - 1
}

/// The sign that sorts the generators of `e_a e_b`: `(-1)^s`, `s` = number of pairs (i in a, j in b) with i > j.
///
/// Equal generators meet but are not squared here; the metric does that.
#[inline]
pub const fn reorder_sign(a: u64, b: u64) -> f64 {
    // bit j becomes the parity of the generators of a above j
    let mut above = a >> 1;
    above ^= above >> 1;
    above ^= above >> 2;
    above ^= above >> 4;
    above ^= above >> 8;
    above ^= above >> 16;
    above ^= above >> 32;
    parity_sign(above & b)
}

/// `(-1)^(number of set bits)`.
#[inline]
pub(crate) const fn parity_sign(bits: u64) -> f64 {
    if bits.count_ones() & 1 == 0 { 1.0 } else { -1.0 }
}
