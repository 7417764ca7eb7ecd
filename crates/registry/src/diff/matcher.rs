//! Which lines two texts have in common: the longest run of equal lines, then the same before and behind it (Ratcliff and
//! Obershelp), as difflib finds them. Lines that stand all over a long text start no run there.

use std::collections::HashMap;
use std::ops::Range;

/// From how many lines on a text has lines that are too common to begin a run.
const LONG_TEXT: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Equal,
    Changed,
}

/// A stretch of both texts: the same lines, or lines that take each other's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opcode {
    pub tag: Tag,
    pub old: Range<usize>,
    pub new: Range<usize>,
}

/// Equal lines: where they begin in both texts, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    old: usize,
    new: usize,
    length: usize,
}

pub(super) struct Matcher<'t> {
    old: &'t [&'t str],
    new: &'t [&'t str],
    /// Where each line of the new text stands there.
    places: HashMap<&'t str, Vec<usize>>,
}

impl<'t> Matcher<'t> {
    pub fn new(old: &'t [&'t str], new: &'t [&'t str]) -> Self {
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, line) in new.iter().enumerate() {
            places.entry(line).or_default().push(index);
        }
        if new.len() >= LONG_TEXT {
            let most = new.len() / 100 + 1;
            places.retain(|_, places| places.len() <= most);
        }
        Self { old, new, places }
    }

    /// The changes with so many equal lines around each; those that are close to each other are one hunk.
    pub fn hunks(&self, context: usize) -> Vec<Vec<Opcode>> {
        let opcodes = self.opcodes();
        let (mut hunks, mut hunk) = (Vec::new(), Vec::new());
        let last = opcodes.len().saturating_sub(1);
        for (index, mut opcode) in opcodes.into_iter().enumerate() {
            if opcode.tag == Tag::Equal {
                if index == 0 {
                    opcode = tail(&opcode, context);
                }
                if index == last {
                    opcode = head(&opcode, context);
                }
                if opcode.old.len() > 2 * context {
                    hunk.push(head(&opcode, context));
                    hunks.push(std::mem::take(&mut hunk));
                    opcode = tail(&opcode, context);
                }
            }
            hunk.push(opcode);
        }
        hunks.push(hunk);
        hunks.retain(|hunk| hunk.iter().any(|opcode| opcode.tag == Tag::Changed));
        hunks
    }

    fn opcodes(&self) -> Vec<Opcode> {
        let mut opcodes = Vec::new();
        let (mut old, mut new) = (0, 0);
        for run in self.runs() {
            if old < run.old || new < run.new {
                opcodes.push(Opcode { tag: Tag::Changed, old: old..run.old, new: new..run.new });
            }
            (old, new) = (run.old + run.length, run.new + run.length);
            if run.length > 0 {
                opcodes.push(Opcode { tag: Tag::Equal, old: run.old..old, new: run.new..new });
            }
        }
        opcodes
    }

    /// All runs in order, those that touch each other as one, and an empty one at the end.
    fn runs(&self) -> Vec<Run> {
        let mut found = Vec::new();
        let mut todo = vec![(0..self.old.len(), 0..self.new.len())];
        while let Some((old, new)) = todo.pop() {
            let run = self.longest(old.clone(), new.clone());
            if run.length == 0 {
                continue;
            }
            found.push(run);
            if old.start < run.old && new.start < run.new {
                todo.push((old.start..run.old, new.start..run.new));
            }
            let (old_end, new_end) = (run.old + run.length, run.new + run.length);
            if old_end < old.end && new_end < new.end {
                todo.push((old_end..old.end, new_end..new.end));
            }
        }
        found.sort_unstable_by_key(|run| (run.old, run.new));
        let mut runs: Vec<Run> = Vec::new();
        for run in found {
            match runs.last_mut() {
                Some(last) if last.old + last.length == run.old && last.new + last.length == run.new => {
                    last.length += run.length;
                }
                _ => runs.push(run),
            }
        }
        runs.push(Run { old: self.old.len(), new: self.new.len(), length: 0 });
        runs
    }

    /// The longest run within these stretches: of several the first in the old text, of those the first in the new one.
    fn longest(&self, old: Range<usize>, new: Range<usize>) -> Run {
        let mut best = Run { old: old.start, new: new.start, length: 0 };
        // How long the run is that ends at a line of the new text and the last line of the old one.
        let mut lengths: HashMap<usize, usize> = HashMap::new();
        for line in old.clone() {
            let mut now = HashMap::new();
            let places = self.places.get(self.old[line]).map_or(&[][..], Vec::as_slice);
            for place in places.iter().copied().filter(|place| new.contains(place)) {
                let before = place.checked_sub(1).and_then(|before| lengths.get(&before)).copied().unwrap_or(0);
                let length = before + 1;
                now.insert(place, length);
                if length > best.length {
                    best = Run { old: line + 1 - length, new: place + 1 - length, length };
                }
            }
            lengths = now;
        }
        self.grown(best, &old, &new)
    }

    /// The run with the common lines around it.
    fn grown(&self, mut run: Run, old: &Range<usize>, new: &Range<usize>) -> Run {
        while run.old > old.start && run.new > new.start && self.old[run.old - 1] == self.new[run.new - 1] {
            run = Run { old: run.old - 1, new: run.new - 1, length: run.length + 1 };
        }
        let end = |run: &Run| (run.old + run.length, run.new + run.length);
        while end(&run).0 < old.end && end(&run).1 < new.end && self.old[end(&run).0] == self.new[end(&run).1] {
            run.length += 1;
        }
        run
    }
}

/// The first lines of equal ones.
fn head(opcode: &Opcode, count: usize) -> Opcode {
    let count = count.min(opcode.old.len());
    Opcode {
        old: opcode.old.start..opcode.old.start + count,
        new: opcode.new.start..opcode.new.start + count,
        ..opcode.clone()
    }
}

/// The last lines of equal ones.
fn tail(opcode: &Opcode, count: usize) -> Opcode {
    let count = count.min(opcode.old.len());
    Opcode {
        old: opcode.old.end - count..opcode.old.end,
        new: opcode.new.end - count..opcode.new.end,
        ..opcode.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A short form of the opcodes: the stretches of the old and the new text, changed ones with a star.
    fn shown(old: &str, new: &str) -> String {
        let (old, new): (Vec<&str>, Vec<&str>) = (old.split(' ').collect(), new.split(' ').collect());
        let opcodes = Matcher::new(&old, &new).opcodes();
        let one = |opcode: &Opcode| {
            let star = if opcode.tag == Tag::Changed { "*" } else { "" };
            format!("{star}{}-{}:{}-{}", opcode.old.start, opcode.old.end, opcode.new.start, opcode.new.end)
        };
        opcodes.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_longest_run_comes_first() {
        assert_eq!(shown("q a b x c d", "a b y c d f"), "*0-1:0-0 1-3:0-2 *3-4:2-3 4-6:3-5 *6-6:5-6");
        assert_eq!(shown("a b c", "a b c"), "0-3:0-3");
        assert_eq!(shown("a", "b"), "*0-1:0-1");
        // of equal runs the first in the old text
        assert_eq!(shown("x a y a", "a"), "*0-1:0-0 1-2:0-1 *2-4:1-1");
    }

    /// Python's difflib says the same of these.
    #[test]
    fn lines_all_over_a_long_text_begin_no_run() {
        let line = |index: usize| if index.is_multiple_of(2) { "{".to_owned() } else { format!("l{index}") };
        let old: Vec<String> = (0..240).map(line).collect();
        let mut new = old.clone();
        new.insert(101, "{".to_owned());
        let (old, new): (Vec<&str>, Vec<&str>) =
            (old.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
        let opcodes = Matcher::new(&old, &new).opcodes();
        let changed: Vec<_> = opcodes.into_iter().filter(|opcode| opcode.tag == Tag::Changed).collect();
        assert_eq!(changed, [Opcode { tag: Tag::Changed, old: 101..101, new: 101..102 }]);
    }
}
