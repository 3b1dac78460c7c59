//! A request as the API server understands it: which verb, of which resource.

use http::{Method, Uri};

/// What is asked of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// One object.
    Get,
    /// All objects of a kind.
    List,
    /// Their changes.
    Watch,
    /// A new object.
    Create,
    /// An object in place of another.
    Update,
    /// A change of an object.
    Patch,
    /// Away with it.
    Delete,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What is asked.
    pub verb: Verb,
    /// The resource in plural, with its subresource: `tickets/status`. Empty for paths that are no resource.
    pub resource: String,
    /// The object's namespace; empty where there is none.
    pub namespace: String,
    /// The object's name; empty where there is none.
    pub name: String,
}

impl Call {
    /// Reads a request's method and path.
    pub fn of(method: &Method, uri: &Uri) -> Self {
        let (namespace, rest) = below_version(uri.path());
        let mut rest = rest.splitn(3, '/');
        let resource = rest.next().unwrap_or_default();
        let name = rest.next().unwrap_or_default();
        let resource = match rest.next() {
            Some(subresource) => format!("{resource}/{subresource}"),
            None => resource.to_owned(),
        };
        let query = uri.query().unwrap_or_default();
        let watches = query.split('&').any(|part| part == "watch=true");
        let verb = match *method {
            Method::POST => Verb::Create,
            Method::PUT => Verb::Update,
            Method::PATCH => Verb::Patch,
            Method::DELETE => Verb::Delete,
            _ if watches => Verb::Watch,
            _ if name.is_empty() && !resource.is_empty() => Verb::List,
            _ => Verb::Get,
        };
        Self {
            verb,
            resource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Whether it changes something.
    pub fn is_write(&self) -> bool {
        match self.verb {
            Verb::Create | Verb::Update | Verb::Patch | Verb::Delete => true,
            Verb::Get | Verb::List | Verb::Watch => false,
        }
    }
}

/// The namespace of a path and what follows it; both empty for a path that is no resource.
fn below_version(path: &str) -> (&str, &str) {
    let path = path.trim_matches('/');
    let below = match path.split_once('/') {
        Some(("api", rest)) => rest.split_once('/'),
        Some(("apis", rest)) => rest
            .split_once('/')
            .and_then(|(_group, rest)| rest.split_once('/')),
        Some(_) | None => None,
    };
    let Some((_version, below)) = below else {
        return ("", "");
    };
    let inside = below
        .strip_prefix("namespaces/")
        .and_then(|rest| rest.split_once('/'));
    inside.unwrap_or(("", below))
}
