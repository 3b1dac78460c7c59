//! The ticket that an alert becomes: what the configuration makes of its labels.

use jiff::Timestamp;
use kube::api::ObjectMeta;

use super::alert::{Alert, cut};
use super::dedup::{Identity, LABEL};
use super::desk::Case;
use super::settings::{NamespaceError, Settings};
use crate::api::{Reporter, Signal, Source, Ticket, TicketSpec, Time};
use crate::domain::alert::Report;

/// Most characters of `spec.source.externalRef`.
const LINK_MOST: usize = 2048;

/// What to settle for an alert, and what its templates failed at.
pub(super) fn case(
    settings: &Settings,
    alert: &Alert,
    now: Timestamp,
) -> Result<(Case, Vec<String>), NamespaceError> {
    let namespace = settings.namespace(alert)?;
    let identity = Identity::new(alert.way, &alert.key, &alert.word);
    let report = alert.report(settings.severity(alert), now);
    let ((title, first), (description, second)) =
        (settings.title(alert), settings.description(alert));
    let link = alert.link.as_deref().map(|link| cut(link, LINK_MOST));
    let spec = TicketSpec {
        title,
        description: Some(description).filter(|text| !text.is_empty()),
        service: settings.service(alert),
        source: Some(Source {
            channel: Some(alert.way.word().to_owned()),
            external_ref: link.filter(|link| !link.is_empty()).map(str::to_owned),
            dedup_key: Some(identity.key.clone()),
            start_time: alert.start.map(Time),
        }),
        reporter: Some(Reporter {
            name: Some(alert.way.word().to_owned()),
            ..Reporter::default()
        }),
        ..TicketSpec::default()
    };
    let case = Case {
        draft: ticket(&namespace, &identity, &report, spec),
        namespace,
        identity,
        report,
        guarded: Some(alert.way),
    };
    Ok((case, first.into_iter().chain(second).collect()))
}

/// A ticket of an alert, without a name yet.
pub(super) fn ticket(
    namespace: &str,
    identity: &Identity,
    report: &Report,
    spec: TicketSpec,
) -> Box<Ticket> {
    Box::new(Ticket {
        metadata: ObjectMeta {
            namespace: Some(namespace.to_owned()),
            labels: Some([(LABEL.to_owned(), identity.hash.clone())].into()),
            ..ObjectMeta::default()
        },
        spec: TicketSpec {
            signal: Some(Signal {
                state: report.state,
                severity: report.severity,
                time: Some(Time(report.time)),
            }),
            ..spec
        },
        status: None,
    })
}
