//! Who may speak to the intake: tokens and signing keys from one Secret, read again each minute and whenever a token is
//! not known, compared in constant time.
//!
//! Keys of the Secret: `token` and, while rotating, `previousToken`; `grafanaSecret`, `webhookSecret` (PagerDuty's
//! webhooks), `linkKey` and, while rotating, `previousLinkKey` where those ways are used.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use parking_lot::RwLock;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use tokio::time::Instant;

use crate::connectors::secret::{SecretError, SecretSource, SecretValues};
use crate::links::{self, Grant, LinkError};

/// How often the Secret is read again.
const REFRESH: Duration = Duration::from_mins(1);
/// Least time between two readings, however many wrong tokens come.
const AGAIN: Duration = Duration::from_secs(1);
/// Shortest token that is taken: a shorter one is no secret.
const TOKEN_LEAST: usize = 16;

/// What one reading of the Secret gave.
#[derive(Debug, Default)]
struct Keys {
    tokens: Vec<[u8; 32]>,
    grafana: Option<SecretString>,
    pagerduty: Option<SecretString>,
    links: Vec<SecretString>,
}

/// A key that signs what others send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// Grafana's webhooks.
    Grafana,
    /// PagerDuty's webhooks.
    PagerDuty,
}

/// The keys in force.
pub struct Keyring {
    secrets: Arc<dyn SecretSource>,
    namespace: String,
    name: String,
    known: RwLock<Option<Arc<Keys>>>,
    last: tokio::sync::Mutex<Option<(Instant, Reading)>>,
}

type Reading = Result<Arc<Keys>, SecretError>;

impl Keyring {
    /// The keys in the Secret `name`; nothing is read yet.
    pub fn new(secrets: Arc<dyn SecretSource>, namespace: &str, name: &str) -> Self {
        Self {
            secrets,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            known: RwLock::default(),
            last: tokio::sync::Mutex::default(),
        }
    }

    /// Reads the Secret for ever.
    pub async fn keep_fresh(&self, mut told: impl FnMut(Result<(), String>)) {
        let mut pause;
        loop {
            let read = self.read().await;
            pause = if read.is_ok() {
                REFRESH
            } else {
                Duration::from_secs(2)
            };
            told(read.map(|_| ()).map_err(|error| error.to_string()));
            tokio::time::sleep(pause).await;
        }
    }

    async fn read(&self) -> Reading {
        let mut last = self.last.lock().await;
        if let Some((_, young)) = last.as_ref().filter(|(at, _)| at.elapsed() < AGAIN) {
            return young.clone();
        }
        let secret = self.secrets.get(&self.namespace, &self.name).await;
        let keys = secret.and_then(|secret| Keys::of(&secret)).map(Arc::new);
        if let Ok(keys) = &keys {
            *self.known.write() = Some(keys.clone());
        }
        *last = Some((Instant::now(), keys.clone()));
        keys
    }

    async fn keys(&self) -> Reading {
        let known = self.known.read().clone();
        match known {
            Some(known) => Ok(known),
            None => self.read().await,
        }
    }

    /// Whether a token is one of those in force; an error = the Secret cannot be read, so nobody knows.
    pub async fn admits(&self, token: &str) -> Result<bool, SecretError> {
        if self.keys().await?.admits(token) {
            return Ok(true);
        }
        Ok(self.read().await?.admits(token))
    }

    /// Whether `signature` (hex) is the HMAC-SHA256 of `text` under a key; `None` = the Secret has no such key.
    pub async fn signed(
        &self,
        signer: Signer,
        text: &[&[u8]],
        signatures: &[&str],
    ) -> Result<Option<bool>, SecretError> {
        if self.keys().await?.signed(signer, text, signatures) == Some(true) {
            return Ok(Some(true));
        }
        Ok(self.read().await?.signed(signer, text, signatures))
    }

    /// What a link allows at `now`; `None` = the Secret has no key for links. A link by a key that is not known yet
    /// makes the Secret be read again.
    pub async fn opens(
        &self,
        link: &str,
        now: Timestamp,
    ) -> Result<Option<Result<Grant, LinkError>>, SecretError> {
        let opened = self.keys().await?.opens(link, now);
        match opened {
            Some(Ok(_) | Err(LinkError::Expired)) => Ok(opened),
            Some(Err(LinkError::Forged | LinkError::WeakKey)) | None => {
                Ok(self.read().await?.opens(link, now))
            }
        }
    }
}

impl Keys {
    fn of(secret: &SecretValues) -> Result<Self, SecretError> {
        let mut tokens = Vec::new();
        for key in ["token", "previousToken"] {
            let Some(token) = secret.get(key)? else {
                continue;
            };
            if token.expose_secret().len() < TOKEN_LEAST {
                tracing::warn!(
                    key,
                    "a token of the intake's Secret must be at least {TOKEN_LEAST} characters long; it is not taken"
                );
            } else {
                tokens.push(digest(token.expose_secret()));
            }
        }
        let mut links = Vec::new();
        for key in [links::KEY, links::PREVIOUS_KEY] {
            links.extend(secret.get(key)?.cloned());
        }
        Ok(Self {
            tokens,
            grafana: secret.get("grafanaSecret")?.cloned(),
            pagerduty: secret.get("webhookSecret")?.cloned(),
            links,
        })
    }

    /// What a link allows by whichever of the keys signed it.
    fn opens(&self, link: &str, now: Timestamp) -> Option<Result<Grant, LinkError>> {
        let mut opened = None;
        for key in &self.links {
            match (Grant::verify(link, key, now), &opened) {
                // Signed by this one.
                (sure @ (Ok(_) | Err(LinkError::Expired)), _) => return Some(sure),
                (first @ Err(LinkError::Forged | LinkError::WeakKey), None) => opened = Some(first),
                (Err(LinkError::Forged | LinkError::WeakKey), Some(_)) => {}
            }
        }
        opened
    }

    fn admits(&self, token: &str) -> bool {
        let given = digest(token);
        // Every token is compared, so that the time does not tell which one was close.
        let all = self.tokens.iter().map(|known| known.ct_eq(&given));
        all.fold(Choice::from(0), |sum, same| sum | same).into()
    }

    fn signed(&self, signer: Signer, text: &[&[u8]], signatures: &[&str]) -> Option<bool> {
        let key = match signer {
            Signer::Grafana => &self.grafana,
            Signer::PagerDuty => &self.pagerduty,
        };
        let mut mac =
            Hmac::<Sha256>::new_from_slice(key.as_ref()?.expose_secret().as_bytes()).ok()?;
        for part in text {
            mac.update(part);
        }
        let wanted = mac.finalize().into_bytes();
        let matches = |signature: &&str| {
            let given = unhex(signature.trim());
            given.is_some_and(|given| bool::from(given.as_slice().ct_eq(wanted.as_slice())))
        };
        Some(signatures.iter().any(matches))
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Bytes of hex digits; `None` for anything else.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    let bytes = digits.chunks_exact(2);
    Some(bytes.map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use jiff::Timestamp;
    use parking_lot::Mutex;
    use secrecy::SecretString;

    use super::{AGAIN, Keyring, Signer};
    use crate::connectors::secret::{SecretError, SecretSource, SecretValues};
    use crate::links::{Grant, LinkError};

    #[derive(Default)]
    struct Fake(Mutex<Vec<(String, String)>>);

    #[async_trait]
    impl SecretSource for Fake {
        async fn get(&self, _: &str, name: &str) -> Result<Arc<SecretValues>, SecretError> {
            let all = self.0.lock().clone().into_iter();
            if all.len() == 0 {
                return Err(SecretError::Missing { name: name.into() });
            }
            let bytes = all.map(|(key, value)| (key, value.into_bytes()));
            Ok(Arc::new(SecretValues::new(name, bytes)))
        }
    }

    fn ring(keys: &[(&str, &str)]) -> (Keyring, Arc<Fake>) {
        let fake = Arc::new(Fake::default());
        set(&fake, keys);
        (Keyring::new(fake.clone(), "firebell", "intake"), fake)
    }

    fn set(fake: &Fake, keys: &[(&str, &str)]) {
        let keys = keys.iter();
        *fake.0.lock() = keys.map(|(k, v)| ((*k).into(), (*v).into())).collect();
    }

    /// After the Secret was changed, when it may be read again.
    async fn change(fake: &Fake, keys: &[(&str, &str)]) {
        set(fake, keys);
        tokio::time::advance(AGAIN).await;
    }

    const OLD: &str = "old-token-000000000";
    const NEW: &str = "new-token-000000000";

    #[tokio::test(start_paused = true)]
    async fn two_tokens_count_while_rotating_and_an_unknown_one_is_looked_up_again() {
        let (ring, fake) = ring(&[("token", OLD)]);
        assert!(ring.admits(OLD).await.unwrap());
        assert!(!ring.admits(NEW).await.unwrap());
        change(&fake, &[("token", NEW), ("previousToken", OLD)]).await;
        assert!(ring.admits(NEW).await.unwrap());
        assert!(ring.admits(OLD).await.unwrap());
        for wrong in ["", "new-token-00000000", "new-token-0000000000"] {
            assert!(!ring.admits(wrong).await.unwrap(), "{wrong}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_secret_cannot_be_read_nobody_is_told_that_a_token_is_wrong() {
        let (ring, fake) = ring(&[]);
        assert!(ring.admits(OLD).await.is_err());
        change(&fake, &[("token", OLD)]).await;
        assert!(ring.admits(OLD).await.unwrap());
        change(&fake, &[]).await;
        assert!(ring.admits(OLD).await.unwrap(), "what is known stays known");
        assert!(ring.admits(NEW).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_or_empty_token_opens_nothing() {
        let (ring, _) = ring(&[("token", "short"), ("previousToken", "")]);
        assert!(!ring.admits("short").await.unwrap());
        assert!(!ring.admits("").await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_signature_is_the_hmac_under_the_key_of_its_signer() {
        let (ring, _) = ring(&[("token", OLD), ("grafanaSecret", "key")]);
        // HMAC-SHA256 of this text under "key", as RFC and reference tools give it.
        let good = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
        let text: [&[u8]; 2] = [b"The quick brown fox ", b"jumps over the lazy dog"];
        let check = async |signer, signature: &str| {
            let signed = ring.signed(signer, &text, &[signature]).await;
            signed.unwrap()
        };
        assert_eq!(check(Signer::Grafana, good).await, Some(true));
        for bad in ["", "f7", "zz", &good[2..], &good.replace('f', "e")] {
            assert_eq!(check(Signer::Grafana, bad).await, Some(false), "{bad}");
        }
        assert_eq!(check(Signer::PagerDuty, good).await, None);
    }

    const FIRST: &str = "the-first-key-of-links-0000000001";
    const SECOND: &str = "the-second-key-of-links-000000002";

    #[tokio::test(start_paused = true)]
    async fn a_link_opens_by_either_of_two_keys_while_rotating_and_by_no_third() {
        let now: Timestamp = "2026-01-05T09:00:00Z".parse().unwrap();
        let grant = Grant::new("shop", "disk-1", "uid-1", "alice", now);
        let by = |key: &str| grant.sign(&SecretString::from(key)).unwrap();
        let (first, second) = (by(FIRST), by(SECOND));
        let (ring, fake) = ring(&[("token", OLD)]);
        assert_eq!(ring.opens(&first, now).await.unwrap(), None, "switched off");
        change(&fake, &[("linkKey", FIRST)]).await;
        let opens = async |link: &str| ring.opens(link, now).await.unwrap().unwrap();
        assert_eq!(opens(&first).await, Ok(grant.clone()));
        assert_eq!(opens(&second).await, Err(LinkError::Forged));
        // Rotated: known as soon as the first link by the new key comes.
        change(&fake, &[("linkKey", SECOND), ("previousLinkKey", FIRST)]).await;
        assert_eq!(opens(&second).await, Ok(grant.clone()));
        assert_eq!(opens(&first).await, Ok(grant.clone()));
        let third = by("a-third-key-that-is-nobody's-00000");
        assert_eq!(opens(&third).await, Err(LinkError::Forged));
        let late = now + crate::links::VALID_FOR;
        let expired = ring.opens(&first, late).await.unwrap();
        assert_eq!(
            expired,
            Some(Err(LinkError::Expired)),
            "by the older key too"
        );
    }
}
