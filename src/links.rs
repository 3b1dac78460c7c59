//! Signed links: whoever holds one may acknowledge one ticket as one person, until it expires.
//!
//! `v1.PAYLOAD.SIGNATURE`, both parts base64url; the signature is the HMAC-SHA256 of version and payload. The operator
//! signs, the intake verifies; nothing is stored. A link is a secret: it never stands in a log, status or Event.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;

/// Key of the Secret that holds the signing key.
pub const KEY: &str = "linkKey";
/// Key of the Secret that holds the one before it: links that it signed open until it is deleted.
pub const PREVIOUS_KEY: &str = "previousLinkKey";
/// Shortest signing key.
const KEY_LEAST: usize = 32;
/// How long a link may be used.
pub const VALID_FOR: SignedDuration = SignedDuration::from_hours(24);
const VERSION: &str = "v1";
/// Longest link that is looked at.
const MOST: usize = 4096;

/// What a link allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Namespace of the ticket.
    #[serde(rename = "n")]
    pub namespace: String,
    /// Its name.
    #[serde(rename = "t")]
    pub ticket: String,
    /// Its uid: a link does not open a later ticket of the same name.
    #[serde(rename = "u")]
    pub uid: String,
    /// Who answers by it.
    #[serde(rename = "b")]
    pub by: String,
    /// When the page was decided, in seconds since 1970.
    #[serde(rename = "s")]
    pub sent: i64,
    /// When the link ends, in seconds since 1970.
    #[serde(rename = "e")]
    pub expires: i64,
}

/// Why a link opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// Not signed by us.
    #[error(
        "This link is not valid: it was changed on its way, or the signing key has been renewed since."
    )]
    Forged,
    /// Too old.
    #[error("This link has expired.")]
    Expired,
    /// The signing key cannot be used.
    #[error("key \"linkKey\" of the Secret must be at least 32 characters long")]
    WeakKey,
}

impl Grant {
    /// What a page that was decided at `sent` allows its recipient.
    pub fn new(namespace: &str, ticket: &str, uid: &str, by: &str, sent: Timestamp) -> Self {
        let expires = sent.saturating_add(VALID_FOR).unwrap_or(Timestamp::MAX);
        Self {
            namespace: namespace.to_owned(),
            ticket: ticket.to_owned(),
            uid: uid.to_owned(),
            by: by.to_owned(),
            sent: sent.as_second(),
            expires: expires.as_second(),
        }
    }

    /// The last part of the link's address.
    pub fn sign(&self, key: &SecretString) -> Result<String, LinkError> {
        // A struct of texts and numbers always has a JSON form.
        let payload = serde_json::to_vec(self).map_err(|_| LinkError::Forged)?;
        let payload = URL_SAFE_NO_PAD.encode(payload);
        let signature = mac(key, &payload)?.finalize().into_bytes();
        Ok(format!(
            "{VERSION}.{payload}.{}",
            URL_SAFE_NO_PAD.encode(signature)
        ))
    }

    /// Reads what `sign` wrote, if it was signed with this key and has not expired at `now`.
    pub fn verify(text: &str, key: &SecretString, now: Timestamp) -> Result<Self, LinkError> {
        if text.len() > MOST {
            return Err(LinkError::Forged);
        }
        let mut parts = text.split('.');
        let (version, payload, signature) = (parts.next(), parts.next(), parts.next());
        let (Some(VERSION), Some(payload), Some(signature), None) =
            (version, payload, signature, parts.next())
        else {
            return Err(LinkError::Forged);
        };
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| LinkError::Forged)?;
        // Compared in constant time.
        mac(key, payload)?
            .verify_slice(&signature)
            .map_err(|_| LinkError::Forged)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok();
        let grant: Self = payload
            .and_then(|payload| serde_json::from_slice(&payload).ok())
            .ok_or(LinkError::Forged)?;
        if grant.expires <= now.as_second() {
            return Err(LinkError::Expired);
        }
        Ok(grant)
    }

    /// When the page was decided.
    pub fn sent(&self) -> Timestamp {
        Timestamp::from_second(self.sent).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

fn mac(key: &SecretString, payload: &str) -> Result<Hmac<Sha256>, LinkError> {
    let key = key.expose_secret();
    if key.len() < KEY_LEAST {
        return Err(LinkError::WeakKey);
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|_| LinkError::WeakKey)?;
    mac.update(format!("firebell-link.{VERSION}.{payload}").as_bytes());
    Ok(mac)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::{Grant, LinkError, VALID_FOR};

    fn key(letter: &str) -> SecretString {
        SecretString::from(letter.repeat(32))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn grant() -> Grant {
        Grant::new("shop", "disk-1", "uid-1", "alice", at(1000))
    }

    #[test]
    fn a_link_says_what_was_signed_until_it_expires() {
        let link = grant().sign(&key("a")).unwrap();
        let end = 1000 + VALID_FOR.as_secs();
        assert_eq!(Grant::verify(&link, &key("a"), at(end - 1)), Ok(grant()));
        assert_eq!(
            Grant::verify(&link, &key("a"), at(end)),
            Err(LinkError::Expired)
        );
        assert_eq!(
            Grant::verify(&link, &key("b"), at(1000)),
            Err(LinkError::Forged)
        );
        assert_eq!(
            grant().sign(&SecretString::from("short")),
            Err(LinkError::WeakKey)
        );
        assert!(
            link.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
            "{link}"
        );
    }

    proptest! {
        #[test]
        fn a_link_with_one_character_changed_opens_nothing(at_byte in 0usize..200, with in "[A-Za-z0-9_.-]") {
            let link = grant().sign(&key("a")).unwrap();
            let at_byte = at_byte % link.len();
            let mut forged = link.clone();
            forged.replace_range(at_byte..=at_byte, &with);
            // The last base64 digit of a part may carry bits that mean nothing; they are refused as well.
            prop_assert_eq!(Grant::verify(&forged, &key("a"), at(1000)).is_ok(), forged == link);
        }

        #[test]
        fn no_text_makes_the_check_panic(text in "\\PC*") {
            prop_assert!(Grant::verify(&text, &key("a"), at(1000)).is_err());
        }
    }
}
