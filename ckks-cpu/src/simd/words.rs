//! Registers of 64-bit words: what the kernels ask of an instruction set.

/// Words that belong together, whatever the registers: one run of a key, one row of a transform.
pub const RUN: usize = 8;

/// Low and high parts of a sum of products, in units of 1, `2^s` and `2^2s`.
pub type Sum<V> = [V; 3];

/// An instruction set. A value is the proof that this machine has it: `detect` alone makes them.
///
/// Integers wrap modulo `2^64`. Methods are inlined into [`Words::run`], where the instructions are
/// enabled; outside of it they work, slowly.
pub trait Words: Copy + Send + Sync {
    /// One register.
    type V: Copy;
    /// [`RUN`] words in registers.
    type Row: Copy + AsRef<[Self::V]> + AsMut<[Self::V]>;
    /// Words of one register.
    const LANES: usize;
    /// Where [`Words::add_long_product`] splits words.
    const LONG_SPLIT: u32;

    /// Runs `work` with the instructions enabled.
    fn run<T>(self, work: impl FnOnce() -> T) -> T;

    /// `x` in each word.
    fn splat(self, x: u64) -> Self::V;

    /// # Safety
    /// [`Words::LANES`] words can be read at `x`.
    unsafe fn read(self, x: *const u64) -> Self::V;

    /// # Safety
    /// [`Words::LANES`] words can be written at `x`.
    unsafe fn write(self, x: *mut u64, v: Self::V);

    /// Brings the cache line of an address to the first-level cache; the address need not be valid.
    fn fetch(self, x: *const u64);

    /// The same to the second-level cache, for lines whose addresses share few sets of the first.
    fn fetch_far(self, x: *const u64);

    fn add(self, x: Self::V, y: Self::V) -> Self::V;
    fn sub(self, x: Self::V, y: Self::V) -> Self::V;
    fn and(self, x: Self::V, y: Self::V) -> Self::V;
    fn xor(self, x: Self::V, y: Self::V) -> Self::V;
    fn shl(self, x: Self::V, bits: u32) -> Self::V;
    fn shr(self, x: Self::V, bits: u32) -> Self::V;

    /// The product of the low 32 bits of each word.
    fn mul32(self, x: Self::V, y: Self::V) -> Self::V;

    /// All bits of a word set where its highest is.
    fn negative(self, x: Self::V) -> Self::V;

    /// The order of the words reversed.
    fn reverse(self, x: Self::V) -> Self::V;

    /// Word `k` is the one of `run` at bits `3k..3k + 3` of `pattern`; higher bits are ignored.
    fn arrange(self, run: &[u64; RUN], pattern: u64) -> Self::V;

    /// Transposes [`RUN`] rows.
    fn transpose(self, rows: [Self::Row; RUN]) -> [Self::Row; RUN];

    /// A row of zeros.
    fn zero_row(self) -> Self::Row;

    /// The first words of `x`.
    #[inline(always)]
    fn load(self, x: &[u64]) -> Self::V {
        assert!(x.len() >= Self::LANES);
        // SAFETY: `x` has enough words.
        unsafe { self.read(x.as_ptr()) }
    }

    /// Writes the first words of `x`.
    #[inline(always)]
    fn store(self, x: &mut [u64], v: Self::V) {
        assert!(x.len() >= Self::LANES);
        // SAFETY: `x` has enough words.
        unsafe { self.write(x.as_mut_ptr(), v) }
    }

    /// The low half of the product of words.
    #[inline(always)]
    fn mul_low(self, x: Self::V, y: Self::V) -> Self::V {
        let cross = self.add(
            self.mul32(self.shr(x, 32), y),
            self.mul32(x, self.shr(y, 32)),
        );
        self.add(self.mul32(x, y), self.shl(cross, 32))
    }

    /// The high half of the product of words, or up to 2 less: the product of the low halves and
    /// the carry between the others are left out.
    #[inline(always)]
    fn mul_high_or_less(self, x: Self::V, y: Self::V) -> Self::V {
        let (x_high, y_high) = (self.shr(x, 32), self.shr(y, 32));
        let left = self.shr(self.mul32(x_high, y), 32);
        let right = self.shr(self.mul32(x, y_high), 32);
        self.add(self.mul32(x_high, y_high), self.add(left, right))
    }

    /// `x - bound` where `x >= bound`, else `x`; `bound` is below `2^63`, `x < 2^63 + bound`.
    #[inline(always)]
    fn subtract_once(self, x: Self::V, bound: Self::V) -> Self::V {
        self.lift(self.sub(x, bound), bound)
    }

    /// `x + bound` where `x` is negative as a signed word, else `x`; `-bound <= x < 2^63`.
    #[inline(always)]
    fn lift(self, x: Self::V, bound: Self::V) -> Self::V {
        self.add(x, self.and(bound, self.negative(x)))
    }

    /// `x` where `mask` is set, else `y`.
    #[inline(always)]
    fn select(self, mask: Self::V, x: Self::V, y: Self::V) -> Self::V {
        self.xor(y, self.and(mask, self.xor(x, y)))
    }

    /// `sum + x y` in units of `2^s`, `s` = [`Words::LONG_SPLIT`], for words below `2^61`; no part
    /// overflows before 32 products.
    #[inline(always)]
    fn add_long_product(self, sum: Sum<Self::V>, x: Self::V, y: Self::V) -> Sum<Self::V> {
        add_long_product_32(self, sum, x, y)
    }
}

/// [`Words::add_long_product`] from 32-bit products: a middle part gains less than `2^34` from
/// each, the high one less than `2^58 + 2^33`.
#[inline(always)]
pub fn add_long_product_32<S: Words>(s: S, sum: Sum<S::V>, x: S::V, y: S::V) -> Sum<S::V> {
    let [low, middle, high] = sum;
    let mask = s.splat((1 << 32) - 1);
    let (x_high, y_high) = (s.shr(x, 32), s.shr(y, 32));
    let (ones, left) = (s.mul32(x, y), s.mul32(x_high, y));
    let (right, top) = (s.mul32(x, y_high), s.mul32(x_high, y_high));
    let halves = s.add(s.and(left, mask), s.and(right, mask));
    let carries = s.add(s.shr(left, 32), s.shr(right, 32));
    [
        s.add(low, s.and(ones, mask)),
        s.add(middle, s.add(halves, s.shr(ones, 32))),
        s.add(high, s.add(carries, top)),
    ]
}

/// Registers of doubles, with fused multiply-add; the words of an integer register are the bits of
/// those of a double one.
pub trait Doubles: Words {
    fn double_splat(self, x: f64) -> Self::V {
        self.splat(x.to_bits())
    }

    fn double_add(self, x: Self::V, y: Self::V) -> Self::V;
    fn double_sub(self, x: Self::V, y: Self::V) -> Self::V;
    fn double_mul(self, x: Self::V, y: Self::V) -> Self::V;

    /// `x y - z`, rounded once.
    fn double_mul_sub(self, x: Self::V, y: Self::V, z: Self::V) -> Self::V;

    /// `z - x y`, rounded once.
    fn double_sub_mul(self, z: Self::V, x: Self::V, y: Self::V) -> Self::V;

    /// The nearest integer, ties to even.
    fn double_round(self, x: Self::V) -> Self::V;

    /// Integers below `2^52` as doubles: their bits are the mantissa above `2^52`.
    #[inline(always)]
    fn to_double(self, x: Self::V) -> Self::V {
        let base = self.double_splat(TWO_52);
        self.double_sub(self.xor(x, base), base)
    }

    /// Doubles that are integers from 0 to `2^52` as words.
    #[inline(always)]
    fn whole_words(self, x: Self::V) -> Self::V {
        let base = self.double_splat(TWO_52);
        self.xor(self.double_add(x, base), base)
    }
}

const TWO_52: f64 = (1_u64 << 52) as f64;
