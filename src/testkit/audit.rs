//! The API server's audit log as facts to assert on: who called what, when, with which result.

use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;

/// The policy under which the API server writes: every request once, at its end, without bodies.
pub const POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// `ResponseComplete`, for a watch that is open `ResponseStarted`.
    pub stage: String,
    /// The API verb: get, list, watch, create, update, patch, delete, deletecollection.
    pub verb: String,
    /// The user as authenticated; with impersonation, the user that was impersonated.
    pub user: String,
    /// The path with the query.
    pub uri: String,
    /// The resource in plural, with its subresource: `tickets/status`. Empty for paths that are no resource.
    pub resource: String,
    /// The object's namespace, empty where there is none.
    pub namespace: String,
    /// The object's name, empty for lists and creations with a generated name.
    pub name: String,
    /// The HTTP status of the answer; 0 where there was none.
    pub code: u16,
    /// When the request came in, by the API server's clock.
    pub time: Timestamp,
}

impl AuditEvent {
    /// A request that changes something.
    pub fn is_write(&self) -> bool {
        matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        )
    }

    /// The answer has been given in full; a watch counts once by this.
    pub fn is_complete(&self) -> bool {
        self.stage == "ResponseComplete"
    }
}

/// Reads the events of the log file that `filter` lets pass, oldest first. A last line that is still being
/// written is left out.
pub fn read(path: &Path, filter: impl Fn(&AuditEvent) -> bool) -> std::io::Result<Vec<AuditEvent>> {
    let bytes = std::fs::read(path)?;
    let complete = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let mut events = Vec::new();
    for line in bytes[..complete]
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let raw: RawEvent = serde_json::from_slice(line).map_err(std::io::Error::other)?;
        let event = AuditEvent::from(raw);
        if filter(&event) {
            events.push(event);
        }
    }
    Ok(events)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEvent {
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: RawUser,
    impersonated_user: Option<RawUser>,
    #[serde(default)]
    object_ref: RawObject,
    #[serde(default)]
    response_status: RawStatus,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct RawUser {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawObject {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
struct RawStatus {
    #[serde(default)]
    code: u16,
}

impl From<RawEvent> for AuditEvent {
    fn from(raw: RawEvent) -> Self {
        let RawObject {
            resource,
            subresource,
            namespace,
            name,
        } = raw.object_ref;
        let resource = match subresource.as_str() {
            "" => resource,
            sub => format!("{resource}/{sub}"),
        };
        Self {
            stage: raw.stage,
            verb: raw.verb,
            user: raw.impersonated_user.unwrap_or(raw.user).username,
            uri: raw.request_uri,
            resource,
            namespace,
            name,
            code: raw.response_status.code,
            time: raw.request_received_timestamp,
        }
    }
}
