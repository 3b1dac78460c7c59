//! Alertmanager's webhook (version 4) and Grafana's, which has the same shape and more fields. Unknown fields are
//! accepted: both grow new ones.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::alert::{Alert, Given, Way};
use super::settings::TicketPer;
use crate::api::SignalState;
use crate::domain::telling::delivery::hex32;

/// Alerts of a group that its description names.
const NAMED: usize = 30;

/// The body of one notification. What is empty may be missing, or null, as Go writes an empty map.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    alerts: Vec<Value>,
    #[serde(default)]
    group_key: Value,
    #[serde(default, deserialize_with = "or_empty")]
    receiver: String,
    #[serde(default, rename = "externalURL", deserialize_with = "or_empty")]
    external_url: String,
    #[serde(default, deserialize_with = "or_empty")]
    group_labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_empty")]
    common_labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_empty")]
    common_annotations: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_empty")]
    truncated_alerts: u64,
}

/// One alert of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Single {
    status: Status,
    #[serde(default, deserialize_with = "or_empty")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_empty")]
    annotations: BTreeMap<String, String>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    #[serde(default, rename = "generatorURL", deserialize_with = "or_empty")]
    generator_url: String,
    #[serde(default, deserialize_with = "or_empty")]
    fingerprint: String,
}

fn or_empty<'de, D, T>(source: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(source)?.unwrap_or_default())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Firing,
    Resolved,
}

/// What a body holds.
#[derive(Debug)]
pub struct Read {
    /// Each alert, or the group; or why it cannot be understood.
    pub alerts: Vec<Result<Alert, String>>,
    /// Alerts that the source left out.
    pub left_out: u64,
}

/// Reads a body. An error means that nothing of it can be understood.
pub fn read(way: Way, body: &[u8], per: TicketPer, severity_label: &str) -> Result<Read, String> {
    let notification: Notification = serde_json::from_slice(body).map_err(|error| {
        format!("the body must be what Alertmanager's webhook (version 4) sends: {error}")
    })?;
    let singles = notification.alerts.iter().enumerate();
    let singles = singles.map(|(index, alert)| {
        serde_json::from_value::<Single>(alert.clone())
            .map_err(|error| format!("`alerts[{index}]` cannot be understood: {error}"))
    });
    let alerts = match per {
        TicketPer::Alert => singles
            .map(|single| Ok(notification.single(way, single?, severity_label)))
            .collect(),
        TicketPer::Group => {
            let (mut known, mut wrong) = (Vec::new(), Vec::new());
            for single in singles {
                match single {
                    Ok(single) => known.push(single),
                    Err(message) => wrong.push(Err(message)),
                }
            }
            let group =
                (!known.is_empty()).then(|| Ok(notification.group(way, &known, severity_label)));
            group.into_iter().chain(wrong).collect()
        }
    };
    Ok(Read {
        alerts,
        left_out: notification.truncated_alerts,
    })
}

impl Notification {
    fn single(&self, way: Way, single: Single, severity_label: &str) -> Alert {
        let key = if single.fingerprint.is_empty() {
            hex32(json!(single.labels).to_string().as_bytes())
        } else {
            single.fingerprint.clone()
        };
        let context = json!({
            "labels": single.labels,
            "annotations": single.annotations,
            "status": word(single.status),
            "startsAt": single.starts_at,
            "endsAt": single.end(),
            "fingerprint": single.fingerprint,
            "generatorURL": single.generator_url,
            "groupLabels": self.group_labels,
            "receiver": self.receiver,
            "externalURL": self.external_url,
        });
        Alert {
            way,
            word: named(&single.labels, &key),
            key,
            state: state(single.status),
            severity_words: single
                .labels
                .get(severity_label)
                .cloned()
                .into_iter()
                .collect(),
            start: single.start(),
            newest_start: single.start(),
            end: single.end(),
            link: Some(single.generator_url).filter(|link| !link.is_empty()),
            labels: single.labels,
            annotations: single.annotations,
            given: Given::default(),
            context,
        }
    }

    fn group(&self, way: Way, alerts: &[Single], severity_label: &str) -> Alert {
        let firing: Vec<&Single> = alerts
            .iter()
            .filter(|alert| alert.status == Status::Firing)
            .collect();
        let group_key = match &self.group_key {
            Value::String(key) => key.clone(),
            other => format!("{}/{other}/{}", self.receiver, json!(self.group_labels)),
        };
        let status = if firing.is_empty() {
            Status::Resolved
        } else {
            Status::Firing
        };
        let labels: BTreeMap<_, _> = self
            .common_labels
            .iter()
            .chain(&self.group_labels)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let words = firing
            .iter()
            .filter_map(|alert| alert.labels.get(severity_label));
        let starts = || firing.iter().filter_map(|alert| alert.start());
        let context = json!({
            "labels": labels,
            "annotations": self.common_annotations,
            "status": word(status),
            "startsAt": starts().min(),
            "groupKey": group_key,
            "groupLabels": self.group_labels,
            "receiver": self.receiver,
            "externalURL": self.external_url,
            "firing": firing.len(),
            "alerts": alerts.iter().take(NAMED).map(|alert| json!({
                "labels": alert.labels,
                "annotations": alert.annotations,
                "status": word(alert.status),
                "startsAt": alert.starts_at,
            })).collect::<Vec<_>>(),
        });
        Alert {
            way,
            word: named(&self.group_labels, "group"),
            key: group_key,
            state: state(status),
            severity_words: words.cloned().collect(),
            start: starts().min(),
            newest_start: starts().max(),
            end: alerts.iter().filter_map(Single::end).max(),
            link: Some(self.external_url.clone()).filter(|link| !link.is_empty()),
            labels,
            annotations: self.annotations_of_group(alerts),
            given: Given::default(),
            context,
        }
    }

    /// The common ones; without a common description, the alerts by name.
    fn annotations_of_group(&self, alerts: &[Single]) -> BTreeMap<String, String> {
        let mut annotations = self.common_annotations.clone();
        annotations
            .entry("description".to_owned())
            .or_insert_with(|| {
                let named = alerts.iter().take(NAMED);
                let named = named.map(|alert| {
                    let summary = alert.annotations.get("summary");
                    let name = summary.or_else(|| alert.labels.get("alertname"));
                    format!("- {}", name.map_or("an alert", String::as_str))
                });
                named.collect::<Vec<_>>().join("\n")
            });
        annotations
    }
}

impl Single {
    fn start(&self) -> Option<Timestamp> {
        told(self.starts_at)
    }

    /// Alertmanager gives a firing alert the year 1, or the time at which it would expire.
    fn end(&self) -> Option<Timestamp> {
        told(self.ends_at).filter(|_| self.status == Status::Resolved)
    }
}

/// Go's zero time means that there is none.
fn told(time: Option<Timestamp>) -> Option<Timestamp> {
    time.filter(|time| *time > Timestamp::UNIX_EPOCH)
}

fn named(labels: &BTreeMap<String, String>, otherwise: &str) -> String {
    let name = labels.get("alertname").filter(|name| !name.is_empty());
    name.map_or(otherwise, String::as_str).to_owned()
}

fn state(status: Status) -> SignalState {
    match status {
        Status::Firing => SignalState::Firing,
        Status::Resolved => SignalState::Resolved,
    }
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Firing => "firing",
        Status::Resolved => "resolved",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Read, read};
    use crate::api::SignalState;
    use crate::intake::alert::{Alert, Way};
    use crate::intake::settings::TicketPer;

    fn body(alerts: &[Value]) -> Value {
        json!({
            "version": "4", "groupKey": "{}:{alertname=\"DiskFull\"}", "status": "firing", "receiver": "firebell",
            "groupLabels": {"alertname": "DiskFull"}, "commonLabels": {"alertname": "DiskFull", "job": "node"},
            "commonAnnotations": {}, "externalURL": "http://am.example", "truncatedAlerts": 3, "alerts": alerts,
        })
    }

    fn alert(status: &str, host: &str, severity: &str, start: &str) -> Value {
        json!({
            "status": status, "startsAt": start, "endsAt": "2026-01-05T10:00:00Z", "fingerprint": format!("f-{host}"),
            "labels": {"alertname": "DiskFull", "host": host, "severity": severity},
            "annotations": {"summary": format!("Disk of {host} is full")}, "generatorURL": "http://prom.example/g",
        })
    }

    fn read_as(per: TicketPer, body: &Value) -> Read {
        let bytes = serde_json::to_vec(body).unwrap();
        read(Way::Alertmanager, &bytes, per, "severity").unwrap()
    }

    fn understood(read: Read) -> Vec<Alert> {
        read.alerts.into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn each_alert_is_read_with_its_own_state_and_times() {
        let body = body(&[
            alert("firing", "a", "critical", "2026-01-05T09:00:00Z"),
            alert("resolved", "b", "info", "2026-01-05T09:01:00Z"),
        ]);
        let read = read_as(TicketPer::Alert, &body);
        assert_eq!(read.left_out, 3);
        let alerts = understood(read);
        assert_eq!(
            (alerts[0].key.as_str(), alerts[0].word.as_str()),
            ("f-a", "DiskFull")
        );
        assert_eq!(
            (alerts[0].state, alerts[0].end),
            (SignalState::Firing, None),
            "the expiry of a firing alert is not its end"
        );
        assert_eq!(alerts[1].state, SignalState::Resolved);
        assert_eq!(alerts[1].end.unwrap().to_string(), "2026-01-05T10:00:00Z");
        assert_eq!(alerts[0].severity_words, ["critical"]);
    }

    #[test]
    fn a_group_fires_while_one_of_it_does_and_is_as_severe_as_its_worst_that_fires() {
        let body = body(&[
            alert("firing", "a", "warning", "2026-01-05T09:00:00Z"),
            alert("firing", "b", "info", "2026-01-05T09:30:00Z"),
            alert("resolved", "c", "critical", "2026-01-05T08:00:00Z"),
        ]);
        let group = understood(read_as(TicketPer::Group, &body)).remove(0);
        assert_eq!(group.state, SignalState::Firing);
        assert_eq!(group.severity_words, ["warning", "info"]);
        assert_eq!(group.start.unwrap().to_string(), "2026-01-05T09:00:00Z");
        assert_eq!(
            group.newest_start.unwrap().to_string(),
            "2026-01-05T09:30:00Z"
        );
        assert!(group.annotations["description"].contains("Disk of b is full"));
        assert_eq!(group.labels["job"], "node");
    }

    #[test]
    fn what_is_not_understood_is_named_and_disturbs_no_other_alert() {
        let body = body(&[
            alert("firing", "a", "info", "2026-01-05T09:00:00Z"),
            json!({"status": "perhaps"}),
        ]);
        for per in [TicketPer::Alert, TicketPer::Group] {
            let read = read_as(per, &body);
            assert_eq!(read.alerts.iter().filter(|alert| alert.is_ok()).count(), 1);
            let wrong = read.alerts.into_iter().find_map(Result::err).unwrap();
            assert!(wrong.contains("`alerts[1]`"), "{wrong}");
        }
        let error = read(Way::Alertmanager, b"{}", TicketPer::Alert, "severity");
        assert!(error.unwrap_err().contains("`alerts`"));
    }

    #[test]
    fn fields_that_only_grafana_has_are_accepted_and_missing_ones_too() {
        let body = json!({
            "receiver": "firebell", "orgId": 1, "state": "alerting", "title": "[FIRING:1]", "message": "m",
            "alerts": [{"status": "firing", "labels": {"alertname": "A"}, "startsAt": "2026-01-05T09:00:00.5+01:00",
                "endsAt": "0001-01-01T00:00:00Z", "values": {"B": 1}, "silenceURL": "http://g.example/s",
                "dashboardURL": "", "valueString": "[ var='B' ]", "imageURL": "x"}],
        });
        let alert = understood(read_as(TicketPer::Alert, &body)).remove(0);
        assert_eq!(alert.key.len(), 32, "without a fingerprint: of the labels");
        assert_eq!(alert.start.unwrap().to_string(), "2026-01-05T08:00:00.5Z");
        assert_eq!(alert.end, None);
    }

    /// Every field that Grafana's reference on its webhook lists, with values of its form.
    fn of_grafana() -> Value {
        json!({
            "receiver": "firebell", "status": "firing", "orgId": 1, "version": "1", "groupKey": "{}:{}", "truncatedAlerts": 0,
            "groupLabels": {}, "commonLabels": {"team": "depot"}, "commonAnnotations": {}, "externalURL": "http://grafana.example/",
            "title": "[FIRING:1, RESOLVED:1]  (depot)", "state": "alerting", "message": "**Firing**\n\nLabels:\n - team = depot\n",
            "alerts": [
                {
                    "status": "firing", "labels": {"alertname": "Stock is late", "grafana_folder": "Depot", "team": "depot", "severity": "critical"},
                    "annotations": {"summary": "No stock since noon", "runbook_url": "http://runbooks.example/stock"},
                    "startsAt": "2026-01-05T10:51:03.157076+01:00", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "c6eadffa33fcdf37",
                    "generatorURL": "http://grafana.example/alerting/grafana/a1/view?orgId=1",
                    "silenceURL": "http://grafana.example/alerting/silence/new?matcher=team%3Ddepot", "dashboardURL": "", "panelURL": "",
                    "imageURL": "http://grafana.example/image.png", "values": {"B": 44.239_437_375_419_08, "C": 1},
                    "valueString": "[ var='B' labels={} value=44.2 ]",
                },
                {
                    "status": "resolved", "labels": {"alertname": "DatasourceNoData", "team": "depot"}, "annotations": {},
                    "startsAt": "2026-01-05T10:50:00+01:00", "endsAt": "2026-01-05T11:00:00+01:00", "fingerprint": "bc97ff14869b13e3",
                    "generatorURL": "", "silenceURL": "", "dashboardURL": "", "panelURL": "", "values": null, "valueString": "",
                },
            ],
        })
    }

    #[test]
    fn what_grafanas_reference_lists_is_read_alert_by_alert_and_as_a_group() {
        let bytes = serde_json::to_vec(&of_grafana()).unwrap();
        let read_as = |per| understood(read(Way::Grafana, &bytes, per, "severity").unwrap());
        let alerts = read_as(TicketPer::Alert);
        let [firing, resolved] = &alerts[..] else {
            panic!("two alerts")
        };
        assert_eq!(
            (firing.key.as_str(), firing.word.as_str()),
            ("c6eadffa33fcdf37", "Stock is late")
        );
        assert_eq!(firing.state, SignalState::Firing);
        assert_eq!(firing.severity_words, ["critical"]);
        assert_eq!(
            firing.start.unwrap().to_string(),
            "2026-01-05T09:51:03.157076Z"
        );
        assert_eq!(firing.end, None);
        let link = "http://grafana.example/alerting/grafana/a1/view?orgId=1";
        assert_eq!(firing.link.as_deref(), Some(link));
        assert_eq!(firing.annotations["summary"], "No stock since noon");
        assert_eq!(resolved.state, SignalState::Resolved);
        assert_eq!(resolved.end.unwrap().to_string(), "2026-01-05T10:00:00Z");
        assert_eq!(resolved.link, None);
        let group = read_as(TicketPer::Group).remove(0);
        assert_eq!(
            (group.key.as_str(), group.state),
            ("{}:{}", SignalState::Firing)
        );
        assert_eq!(group.labels["team"], "depot");
    }

    #[test]
    fn null_is_as_good_as_missing() {
        let mut body = of_grafana();
        for field in [
            "groupLabels",
            "commonLabels",
            "commonAnnotations",
            "externalURL",
            "truncatedAlerts",
        ] {
            body[field] = Value::Null;
        }
        for field in [
            "annotations",
            "generatorURL",
            "fingerprint",
            "startsAt",
            "endsAt",
        ] {
            body["alerts"][0][field] = Value::Null;
        }
        let alert = understood(read_as(TicketPer::Alert, &body)).remove(0);
        assert!(alert.annotations.is_empty() && alert.start.is_none());
    }
}
