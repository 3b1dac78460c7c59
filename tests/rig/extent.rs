//! How much of the rig runs. `FIREBELL_RIG=all` (as `make rig` sets it): every point; otherwise, in CI and in a plain
//! `cargo test`, a few points of every fault, always the same. This is the one place that reads it.

/// What was asked for.
pub struct Extent {
    /// Every point.
    pub all: bool,
    /// Only faults whose name has this word.
    pub word: Option<String>,
}

impl Extent {
    /// Reads the variable and the command line; `None` where the tests are only to be listed.
    pub fn asked() -> Option<Self> {
        let args: Vec<String> = std::env::args().skip(1).collect();
        if args.iter().any(|arg| arg == "--list") {
            return None;
        }
        Some(Self {
            all: std::env::var("FIREBELL_RIG").is_ok_and(|value| value == "all"),
            word: args.into_iter().find(|arg| !arg.starts_with('-')),
        })
    }

    /// Whether a fault is wanted.
    pub fn wants(&self, fault: &str) -> bool {
        self.word.as_ref().is_none_or(|word| fault.contains(word))
    }

    /// All points of a fault, or `few` of them, spread evenly over the whole.
    pub fn of<T>(&self, points: Vec<T>, few: usize) -> Vec<T> {
        let count = points.len();
        if self.all || count <= few {
            return points;
        }
        let chosen =
            |index: usize| (0..few).any(|turn| (2 * turn + 1) * count / (2 * few) == index);
        let numbered = points.into_iter().enumerate();
        let few = numbered.filter(|(index, _)| chosen(*index));
        few.map(|(_, point)| point).collect()
    }
}
