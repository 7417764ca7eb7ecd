//! The bytes of one entry: whole while they are new, then as their difference to those of an object like it.
//!
//! Why: the objects of a resource are mostly alike. Of a running pod's 3,900 bytes 230 are its own, and it takes a third of a
//! microsecond to have all of them again: LZ4 with the other object as its dictionary, which is little more than copying.
//! So a list of everything costs no memory that its reader does not have in flight, and the history next to nothing. What
//! not: large objects, and those like no other, which stay whole.

use bytes::Bytes;
use lz4_flex::block;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

/// Shorter ones stay whole: there is little to be won.
const MIN_BYTES: usize = 256;
/// Longer ones stay whole: LZ4 refers no farther back, and packing would take long.
const MAX_BYTES: usize = 64 << 10;
/// How many templates of a resource are tried. Each costs two microseconds of the task that fills the cache.
const MAX_TEMPLATES: usize = 4;
/// What is packed to this part of its length is like its template, and no other is tried.
const LIKE: usize = 4;

/// The bytes. What they say never changes, only how they are held.
pub(super) struct Packed(RwLock<Form>);

enum Form {
    Whole(Bytes),
    Difference { to: Arc<Bytes>, block: Box<[u8]>, length: usize },
}

/// Objects that others of the same resource are likely to be like, the one that was of use last at the front.
#[derive(Debug, Default)]
pub(super) struct Templates(VecDeque<Arc<Bytes>>);

impl Packed {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self(RwLock::new(Form::Whole(bytes)))
    }

    /// The bytes, shared while they are whole.
    pub(super) fn bytes(&self) -> Bytes {
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Form::Whole(bytes) => bytes.clone(),
            Form::Difference { to, block, length } => unpack(block, *length, to).into(),
        }
    }

    /// How long they are, whole.
    pub(super) fn len(&self) -> usize {
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Form::Whole(bytes) => bytes.len(),
            Form::Difference { length, .. } => *length,
        }
    }

    /// How many bytes they take now, without the template.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Form::Whole(bytes) => bytes.len(),
            Form::Difference { block, .. } => block.len(),
        }
    }

    /// Holds them as a difference from now on, if that is shorter.
    pub(super) fn pack(&self, templates: &mut Templates) {
        let whole = match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Form::Whole(bytes) if (MIN_BYTES..=MAX_BYTES).contains(&bytes.len()) => bytes.clone(),
            _ => return,
        };
        if let Some((to, block)) = templates.pack(&whole) {
            let packed = Form::Difference { to, block, length: whole.len() };
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = packed;
        }
    }
}

impl Templates {
    /// The difference to the template that it is most like, if that is less than three quarters of it. What is like none
    /// becomes a template for those that follow.
    fn pack(&mut self, whole: &Bytes) -> Option<(Arc<Bytes>, Box<[u8]>)> {
        let mut best: Option<(usize, Vec<u8>)> = None;
        for (at, template) in self.0.iter().enumerate() {
            let block = block::compress_with_dict(whole, template);
            let like = block.len() * LIKE <= whole.len();
            if best.as_ref().is_none_or(|(_, other)| block.len() < other.len()) {
                best = Some((at, block));
            }
            if like {
                break;
            }
        }
        let found = best.map(|(at, block)| (self.0[at].clone(), at, block));
        match &found {
            Some((_, at, block)) if block.len() * LIKE <= whole.len() => {
                if let Some(used) = self.0.remove(*at) {
                    self.0.push_front(used);
                }
            }
            _ => {
                self.0.push_front(Arc::new(whole.clone()));
                self.0.truncate(MAX_TEMPLATES);
            }
        }
        // It costs a tenth of what packing does to know that nothing was lost.
        let (to, _, block) = found?;
        let sound = block.len() * 4 <= whole.len() * 3 && unpack(&block, whole.len(), &to) == *whole;
        sound.then(|| (to, block.into_boxed_slice()))
    }
}

/// A block that was packed unpacks: [`Templates::pack`] has tried.
fn unpack(block: &[u8], length: usize, template: &[u8]) -> Vec<u8> {
    block::decompress_with_dict(block, length, template).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(number: usize, kind: &str) -> Bytes {
        let labels: String = (0..40).map(|n| format!("\"{kind}-{n}\":\"{}\",", n * n * 7919)).collect();
        format!("{{\"metadata\":{{\"name\":\"{kind}-{number}\",\"labels\":{{{labels}}}}}}}").into()
    }

    /// Packs them one after the other, and sees that each is what it was.
    fn held(all: &[Bytes]) -> Vec<usize> {
        let mut templates = Templates::default();
        let packed: Vec<Packed> = all.iter().cloned().map(Packed::new).collect();
        packed.iter().for_each(|packed| packed.pack(&mut templates));
        assert!(templates.0.len() <= MAX_TEMPLATES);
        for (packed, whole) in packed.iter().zip(all) {
            assert_eq!(packed.bytes(), *whole);
            assert_eq!(packed.len(), whole.len());
        }
        packed.iter().map(Packed::held_bytes).collect()
    }

    #[test]
    fn what_is_like_another_is_kept_as_the_difference() {
        let all: Vec<Bytes> = (0..50).map(|n| pod(n, "web")).collect();
        let held = held(&all);
        assert_eq!(held[0], all[0].len());
        assert!(held[1..].iter().all(|bytes| *bytes < 40), "{held:?}");
    }

    #[test]
    fn several_sorts_have_a_template_each() {
        let all: Vec<Bytes> = (0..60).map(|n| pod(n, ["web", "database", "queue"][n % 3])).collect();
        assert!(held(&all)[9..].iter().all(|bytes| *bytes < 60));
    }

    #[test]
    fn what_is_small_or_large_or_like_nothing_stays_whole() {
        let text = |length: usize, seed: u32| -> Bytes {
            let next = |state: u32| state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let states = std::iter::successors(Some(seed), |state| Some(next(*state)));
            states.take(length).map(|state| (state >> 24) as u8).collect::<Vec<u8>>().into()
        };
        let all =
            [text(MIN_BYTES - 1, 1), text(MIN_BYTES - 1, 1), text(5_000, 1), text(5_000, 2), text(MAX_BYTES + 1, 3)];
        assert_eq!(held(&all), all.each_ref().map(|bytes| bytes.len()));
        // the same again is nothing but a reference
        assert!(held(&[text(5_000, 1), text(5_000, 1)])[1] < 40);
    }
}
