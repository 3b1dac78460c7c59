//! Other operators of the cluster, as their leases tell: whether one of them works in a namespace that is ours too.
//! Each leader writes its namespaces on its lease. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::evaluate::Moment;

/// The word for the whole cluster.
const CLUSTER: &str = "*";

/// The namespaces in which an operator works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All.
    Cluster,
    /// These.
    Some(BTreeSet<String>),
}

impl Scope {
    /// From the operator's flags; none = all.
    pub fn of(namespaces: &[String]) -> Self {
        if namespaces.is_empty() {
            Self::Cluster
        } else {
            Self::Some(namespaces.iter().cloned().collect())
        }
    }

    /// As it is written on a lease.
    pub fn words(&self) -> String {
        match self {
            Self::Cluster => CLUSTER.to_owned(),
            Self::Some(names) => names.iter().cloned().collect::<Vec<_>>().join(","),
        }
    }

    /// As it was read from a lease; `None` = it says nothing.
    pub fn read(words: &str) -> Option<Self> {
        let names = words
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        if names.contains(CLUSTER) {
            Some(Self::Cluster)
        } else {
            (!names.is_empty()).then_some(Self::Some(names))
        }
    }

    /// What two operators share, in words; `None` = nothing.
    fn shared(&self, other: &Self) -> Option<String> {
        match (self, other) {
            (Self::Cluster, Self::Cluster) => Some("all namespaces".to_owned()),
            (Self::Cluster, Self::Some(_)) => Some(quoted(&other.words())),
            (Self::Some(_), Self::Cluster) => Some(quoted(&self.words())),
            (Self::Some(ours), Self::Some(theirs)) => {
                let both: Vec<_> = ours.intersection(theirs).cloned().collect();
                (!both.is_empty()).then(|| quoted(&both.join(",")))
            }
        }
    }
}

fn quoted(names: &str) -> String {
    format!("\"{}\"", names.replace(',', "\", \""))
}

#[derive(Clone, Debug)]
struct Neighbour {
    scope: Scope,
    version: u64,
    lasts: Duration,
    /// When it was last seen to renew; `None` = seen once, which may be a lease that nobody keeps any more.
    renewed: Option<Moment>,
}

/// Other operators by the names of their leases.
#[derive(Clone, Debug, Default)]
pub struct Neighbours(BTreeMap<String, Neighbour>);

impl Neighbours {
    /// A lease of another operator was seen. `scope` is `None` where it is given up or says nothing.
    pub fn saw(
        &mut self,
        lease: &str,
        scope: Option<Scope>,
        lasts: Duration,
        version: u64,
        now: Moment,
    ) {
        let Some(scope) = scope else {
            self.0.remove(lease);
            return;
        };
        let before = self.0.get(lease);
        let renewed = match before {
            Some(before) if before.version != version => Some(now),
            Some(before) => before.renewed,
            None => None,
        };
        let seen = Neighbour {
            scope,
            version,
            lasts,
            renewed,
        };
        self.0.insert(lease.to_owned(), seen);
    }

    /// A lease of another operator was deleted.
    pub fn gone(&mut self, lease: &str) {
        self.0.remove(lease);
    }

    /// The operators at work that share namespaces with `ours`, in words; empty = none.
    pub fn overlapping(&self, ours: &Scope, now: Moment) -> Vec<String> {
        let at_work = self.0.iter().filter(|(_, other)| {
            other
                .renewed
                .is_some_and(|renewed| now < renewed + other.lasts * 2)
        });
        at_work
            .filter_map(|(lease, other)| {
                let shared = ours.shared(&other.scope)?;
                Some(format!("{shared} (lease \"{lease}\")"))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::{Neighbours, Scope};

    const LASTS: Duration = Duration::from_secs(3);

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[rstest]
    #[case::apart("shop,bank", "depot", None)]
    #[case::one_in_common("shop,bank", "bank,depot", Some(r#""bank""#))]
    #[case::two_in_common("a,b,c", "c,b", Some(r#""b", "c""#))]
    #[case::one_has_all("*", "shop,bank", Some(r#""bank", "shop""#))]
    #[case::the_other_has_all("shop", "*", Some(r#""shop""#))]
    #[case::both_have_all("*", "*", Some("all namespaces"))]
    fn what_two_operators_share(
        #[case] ours: &str,
        #[case] theirs: &str,
        #[case] wanted: Option<&str>,
    ) {
        let (ours, theirs) = (Scope::read(ours).unwrap(), Scope::read(theirs).unwrap());
        assert_eq!(ours.shared(&theirs).as_deref(), wanted);
    }

    #[test]
    fn a_scope_is_read_as_it_was_written() {
        for scope in [Scope::of(&[]), Scope::of(&["shop".into(), "bank".into()])] {
            assert_eq!(Scope::read(&scope.words()), Some(scope));
        }
        assert_eq!(Scope::read(" , "), None, "a lease that says nothing");
    }

    #[test]
    fn only_an_operator_that_is_seen_to_renew_counts() {
        let ours = Scope::of(&["shop".into()]);
        let mut neighbours = Neighbours::default();
        neighbours.saw("other", Some(Scope::Cluster), LASTS, 1, at(0));
        assert!(
            neighbours.overlapping(&ours, at(0)).is_empty(),
            "it may be a lease that was left behind"
        );
        neighbours.saw("other", Some(Scope::Cluster), LASTS, 2, at(1));
        assert_eq!(
            neighbours.overlapping(&ours, at(1)),
            [r#""shop" (lease "other")"#]
        );
        assert!(
            neighbours.overlapping(&ours, at(7)).is_empty(),
            "it stopped without a word"
        );
        neighbours.saw("other", Some(Scope::Cluster), LASTS, 3, at(8));
        assert_eq!(neighbours.overlapping(&ours, at(8)).len(), 1);
        neighbours.saw("other", None, LASTS, 4, at(9));
        assert!(
            neighbours.overlapping(&ours, at(9)).is_empty(),
            "it gave its lease up"
        );
    }

    #[test]
    fn a_deleted_lease_is_no_neighbour() {
        let mut neighbours = Neighbours::default();
        for version in 1..3 {
            neighbours.saw("other", Some(Scope::Cluster), LASTS, version, at(0));
        }
        neighbours.gone("other");
        assert!(neighbours.overlapping(&Scope::Cluster, at(0)).is_empty());
    }
}
