//! A hash that is the same on every machine and in every run.

const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// FNV-1a of 128 bits over the little-endian bytes of what it is given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StableHasher(u128);

impl StableHasher {
    pub(crate) fn new() -> Self {
        Self(OFFSET)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(PRIME);
        }
    }

    pub(crate) fn write_u16s<const N: usize>(&mut self, numbers: [u16; N]) {
        for number in numbers {
            self.write(&number.to_le_bytes());
        }
    }

    pub(crate) fn write_size(&mut self, size: usize) {
        self.write(&(size as u64).to_le_bytes());
    }

    pub(crate) fn finish(&self) -> u128 {
        self.0
    }
}

/// FNV-1a of 128 bits, the same on every machine and in every run.
pub fn content_hash(bytes: &[u8]) -> u128 {
    let mut hasher = StableHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::StableHasher;

    #[test]
    fn agrees_with_the_published_vectors() {
        let hash = |text: &str| {
            let mut hasher = StableHasher::new();
            hasher.write(text.as_bytes());
            hasher.finish()
        };
        assert_eq!(hash(""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(hash("a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        assert_eq!(hash("foobar"), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }
}
