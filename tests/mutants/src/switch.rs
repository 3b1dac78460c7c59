    //! Woven into the tested program: tells each place that was woven which of its mutants is on.

    use std::collections::BTreeSet;
    use std::fs::File;
    use std::io::Write;
    use std::sync::{LazyLock, Mutex, PoisonError};

    /// The one mutant that is on; 0 for none.
    static ON: LazyLock<usize> = LazyLock::new(|| {
        let said = std::env::var("MUTANT_ON").ok();
        said.and_then(|id| id.parse().ok()).unwrap_or(0)
    });

    /// Where the reached mutants are told, and those that are told already.
    static REACHED: LazyLock<Option<Mutex<(File, BTreeSet<usize>)>>> = LazyLock::new(|| {
        let file = File::create(std::env::var("MUTANT_REACHED").ok()?).ok()?;
        Some(Mutex::new((file, BTreeSet::new())))
    });

    /// Which of the mutants `here` is on, or 0.
    pub fn pick(here: &[usize]) -> usize {
        if let Some(reached) = &*REACHED {
            let mut reached = reached.lock().unwrap_or_else(PoisonError::into_inner);
            for id in here {
                if reached.1.insert(*id) {
                    let _ = writeln!(reached.0, "{id}");
                }
            }
        }
        if here.contains(&ON) { *ON } else { 0 }
    }

    /// One type for all answers of a function that answers `impl Iterator`: mutants have types of their own there.
    pub fn boxed<'a, T>(items: impl Iterator<Item = T> + 'a) -> Box<dyn Iterator<Item = T> + 'a> {
        Box::new(items)
    }
