//! Delivered ids, for a while after the status has them: the newest few thousand.
//!
//! A decision made on an older look at a ticket may hand over what was delivered already. Told again it does no harm,
//! sent again it would ring somebody twice without a fault.

use std::collections::{HashMap, VecDeque};

use crate::domain::telling::delivery::{DeliveryId, Progress};

/// A bounded memory of delivered ids and their results.
#[derive(Debug)]
pub(super) struct Recent {
    size: usize,
    results: HashMap<DeliveryId, Progress>,
    order: VecDeque<DeliveryId>,
}

impl Recent {
    /// A memory of `size` ids.
    pub(super) fn new(size: usize) -> Self {
        Self {
            size,
            results: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Remembers a result. Only delivered ones: what failed or was withheld may be handed over again.
    pub(super) fn keep(&mut self, id: &DeliveryId, progress: Progress) {
        match progress {
            Progress::Delivered { .. } => {}
            Progress::InFlight { .. } | Progress::Failed { .. } | Progress::Cancelled { .. } => {
                return;
            }
        }
        if self.results.insert(id.clone(), progress).is_none() {
            self.order.push_back(id.clone());
        }
        if self.order.len() > self.size
            && let Some(oldest) = self.order.pop_front()
        {
            self.results.remove(&oldest);
        }
    }

    /// The result of an id that was delivered not long ago.
    pub(super) fn get(&self, id: &DeliveryId) -> Option<&Progress> {
        self.results.get(id)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn only_the_newest_delivered_ids_are_remembered() {
        let time = Timestamp::UNIX_EPOCH;
        let id = |n: usize| DeliveryId::from_stored(&n.to_string());
        let mut recent = Recent::new(3);
        recent.keep(&id(9), Progress::Cancelled { time });
        for n in 0..5 {
            recent.keep(
                &id(n),
                Progress::Delivered {
                    since: time,
                    time,
                    attempts: 1,
                    message: String::new(),
                },
            );
        }
        let known: Vec<_> = (0..10).filter(|n| recent.get(&id(*n)).is_some()).collect();
        assert_eq!(known, [2, 3, 4]);
        assert_eq!(recent.results.len(), recent.order.len());
    }
}
