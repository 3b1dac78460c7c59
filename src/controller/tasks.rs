//! Small standing tasks beside the engines: results that came in, objects in doubt, counts of users.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::key::Key;
use super::policy::{Tally, Use};
use super::view::{Bells, Doubt, View};
use crate::api::Ticket;
use crate::clock::{Now, OperatorClock};
use crate::domain::selection::{PolicyIndex, PolicyKey};
use crate::domain::telling::delivery::TicketKey;

/// How often counts of users are taken: a policy's status is written at most once in it for a change of them.
const TALLY_EVERY: Duration = Duration::from_secs(10);

/// Objects in doubt that are asked for at once.
const ASKED: usize = 8;
/// How long one rests about which the API server said nothing.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Passes results of deliveries on as looks at their tickets and RCAs.
pub async fn hear_reports(mut reports: mpsc::UnboundedReceiver<TicketKey>, view: Arc<View>) {
    while let Some(reported) = reports.recv().await {
        let key = Key::new(&reported.namespace, &reported.name);
        let rca = view.rcas.get(&key);
        if rca.is_some_and(|rca| rca.metadata.uid.as_ref() == Some(&reported.uid)) {
            view.trigger_rca(&key);
            continue;
        }
        view.trigger_held(&key);
    }
}

/// Asks the API server about objects whose version is in doubt, some at once, each until it is answered: what is held of
/// them may be of a store that is no more. `ask` says whether there was an answer.
pub async fn settle_doubts<A>(
    mut doubts: mpsc::UnboundedReceiver<Doubt>,
    ask: impl Fn(Doubt) -> A + Send,
) where
    A: Future<Output = bool> + Send,
{
    let (mut waiting, mut known) = (VecDeque::new(), HashSet::new());
    let mut asked = FuturesUnordered::new();
    loop {
        while asked.len() < ASKED
            && let Some(doubt) = waiting.pop_front()
        {
            // One that comes while it is asked about is asked about again: the answer may be older than it.
            known.remove(&doubt);
            let answer = ask(Doubt::clone(&doubt));
            asked.push(async move {
                let answered = answer.await;
                if !answered {
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                (doubt, answered)
            });
        }
        let doubt = tokio::select! {
            Some((doubt, answered)) = asked.next() => (!answered).then_some(doubt),
            doubt = doubts.recv() => match doubt {
                Some(doubt) => Some(doubt),
                None => return,
            },
        };
        if let Some(doubt) = doubt
            && known.insert(doubt.clone())
        {
            waiting.push_back(doubt);
        }
    }
}

/// Counts the users of each policy and asks for a look at those whose status says otherwise.
pub async fn keep_tally(view: Arc<View>, tally: Tally, bells: Bells, clock: OperatorClock) {
    loop {
        tokio::time::sleep(TALLY_EVERY).await;
        let counted = count(&view);
        let before = std::mem::replace(&mut *tally.lock(), counted.clone());
        for key in view.policies.keys(None) {
            let of = |counts: &HashMap<PolicyKey, Use>| {
                counts.get(&key.pair()).copied().unwrap_or_default()
            };
            if of(&before) != of(&counted) {
                // The receiver ends only with the process.
                let _ = bells.policies.send((key, clock.now()));
            }
        }
    }
}

/// Counts the open tickets of each policy.
pub fn count(view: &View) -> HashMap<PolicyKey, Use> {
    let index = view.policies.index();
    let mut counts: HashMap<PolicyKey, Use> = HashMap::new();
    view.tickets
        .each(|ticket| count_one(ticket, &index, &mut counts));
    counts
}

fn count_one(ticket: &Ticket, index: &PolicyIndex, counts: &mut HashMap<PolicyKey, Use>) {
    let Some(status) = ticket
        .status
        .as_ref()
        .filter(|status| status.close_time.is_none())
    else {
        return;
    };
    let Some(pin) = &status.policy else { return };
    let key = (pin.namespace.clone(), pin.name.clone());
    let newest = index
        .policies
        .get(&key)
        .and_then(|policy| policy.revision.as_ref());
    let outdated = newest.is_some_and(|newest| *newest != pin.revision);
    let usage = counts.entry(key).or_default();
    usage.open += 1;
    usage.outdated += i64::from(outdated);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tokio::sync::mpsc;
    use tokio::time::{Instant, sleep, timeout};

    use super::{ASKED, Doubt, Duration, Key, settle_doubts};

    fn doubt(number: usize) -> Doubt {
        Doubt::Ticket(Key::new("shop", &format!("t{number}")))
    }

    /// Asks about these for an hour, each for a second, while the API server does not say anything for a minute; what
    /// was asked, and when each was answered.
    async fn settled(doubts: &[usize]) -> (Vec<Doubt>, Vec<Duration>) {
        let (bell, queue) = mpsc::unbounded_channel();
        for number in doubts {
            bell.send(doubt(*number)).unwrap();
        }
        let (asked, answered) = (Arc::new(Mutex::default()), Arc::new(Mutex::default()));
        let start = Instant::now();
        let ask = {
            let (asked, answered) = (asked.clone(), answered.clone());
            move |doubt: Doubt| {
                let (asked, answered): (Arc<Mutex<Vec<_>>>, Arc<Mutex<Vec<_>>>) =
                    (asked.clone(), answered.clone());
                async move {
                    asked.lock().push(doubt);
                    sleep(Duration::from_secs(1)).await;
                    let over = start.elapsed() > Duration::from_mins(1);
                    if over {
                        answered.lock().push(start.elapsed());
                    }
                    over
                }
            }
        };
        let ended = timeout(Duration::from_hours(1), settle_doubts(queue, ask)).await;
        assert!(ended.is_err(), "it goes on for ever");
        let asked = std::mem::take(&mut *asked.lock());
        let answered = std::mem::take(&mut *answered.lock());
        (asked, answered)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_in_doubt_is_asked_for_until_it_is_answered_and_then_no_more() {
        let (asked, answered) = settled(&[1]).await;
        assert_eq!(answered.len(), 1);
        assert!(answered[0] < Duration::from_secs(65), "{answered:?}");
        assert!(asked.len() < 40, "{}", asked.len());
    }

    #[tokio::test(start_paused = true)]
    async fn many_in_doubt_do_not_wait_for_each_other_and_each_counts_once() {
        let doubts: Vec<usize> = (0..400).chain(0..400).collect();
        let (_asked, answered) = settled(&doubts).await;
        assert_eq!(answered.len(), 400);
        let last = answered.last().unwrap();
        let most = Duration::from_secs(65 + 400 / ASKED as u64);
        assert!(*last < most, "{last:?}");
    }
}
