//! Changes to an input: the kinds that find mistakes in readers of lengths, counts, offsets and checksums.

use crate::random::Random;

/// Numbers at which readers go wrong, as little-endian fields of 1, 2, 4 or 8 bytes.
const EDGES: [u64; 19] = [
    0,
    1,
    2,
    3,
    16,
    17,
    64,
    127,
    128,
    255,
    256,
    511,
    512,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// Changes `input` in one to eight ways; at most `longest` bytes come out. `other` is an input to take pieces from.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], longest: usize, random: &mut Random) {
    // Few changes go deep, many go wild; both are wanted.
    let changes = 1 + random.below(4) * random.below(3);
    for _ in 0..changes {
        change(input, other, random);
    }
    input.truncate(longest);
}

fn change(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if input.is_empty() {
        input.extend_from_slice(other);
        return;
    }
    let at = random.below(input.len());
    match random.below(12) {
        0..=2 => input[at] ^= 1 << random.below(8),
        3 => input[at] = random.byte(),
        4 => input[at] = input[at].wrapping_add(random.byte() % 8).wrapping_sub(4),
        5..=6 => put_edge(input, at, random),
        7 => input.truncate(at),
        8 => {
            let end = at + random.below((input.len() - at).min(64) + 1);
            input.drain(at..end);
        }
        9 => {
            let piece = piece(other, random).to_vec();
            input.splice(at..at, piece);
        }
        10 => {
            for (place, byte) in input[at..].iter_mut().zip(piece(other, random)) {
                *place = *byte;
            }
        }
        _ => {
            let end = at + random.below((input.len() - at).min(64) + 1);
            let any = random.byte();
            let fill = *random.one_of(&[0, 0xff, b'0', any]);
            input[at..end].fill(fill);
        }
    }
}

/// Puts one of the edges, or a neighbour of it, where a field may be.
fn put_edge(input: &mut [u8], at: usize, random: &mut Random) {
    let width = *random.one_of(&[1, 2, 4, 8]);
    // Fields are aligned more often than not.
    let at = if random.once_in(4) { at } else { at - at % width };
    let near = *random.one_of(&[0, 0, 1, u64::MAX]);
    let edge = random.one_of(&EDGES).wrapping_add(near).to_le_bytes();
    for (place, byte) in input[at..].iter_mut().zip(&edge[..width]) {
        *place = *byte;
    }
}

/// A piece of `from`, of at most 600 bytes: somewhat more than a sector.
fn piece<'a>(from: &'a [u8], random: &mut Random) -> &'a [u8] {
    let start = random.below(from.len());
    let longest = if random.once_in(4) { 600 } else { 48 };
    let end = start + random.below((from.len() - start).min(longest) + 1);
    &from[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_another_seed_another() {
        let run = |seed| {
            let (mut random, mut input) = (Random::new(seed), b"a seed of some length".to_vec());
            (0..200).for_each(|_| mutate(&mut input, b"another one", 64, &mut random));
            input
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn every_byte_is_reached_and_no_input_grows_over_its_limit() {
        let seed = [0; 40];
        let mut touched = [false; 40];
        let mut random = Random::new(7);
        for _ in 0..5000 {
            let mut input = seed.to_vec();
            mutate(&mut input, &[9; 700], 64, &mut random);
            assert!(input.len() <= 64);
            for (mark, byte) in touched.iter_mut().zip(&input) {
                *mark |= *byte != 0;
            }
        }
        assert!(touched.iter().all(|mark| *mark), "{touched:?}");
    }

    #[test]
    fn nothing_is_something_to_start_from() {
        let (mut input, mut random) = (Vec::new(), Random::new(3));
        for _ in 0..100 {
            mutate(&mut input, &[], 64, &mut random);
            mutate(&mut input, b"x", 64, &mut random);
        }
    }
}
