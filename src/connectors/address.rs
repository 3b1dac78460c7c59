//! Which addresses a message may go to: the guard between what a tenant writes and what the operator's network reaches.
//!
//! Every address a host resolves to is vetted before any connection is made (delivery.md section 5). Public addresses
//! are open to all; everything else only where the operator allowed the network. The same `resolve` serves any protocol.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use ipnet::IpNet;
use parking_lot::Mutex;
use thiserror::Error;

/// Turns a name into addresses; tests put their own in place of the system's.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// All addresses of `host`. An error or an empty list means that the name is not known now.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the machine: hosts file, then DNS.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0))
            .await?
            .map(|address| address.ip())
            .collect())
    }
}

/// How far a connection may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses and the networks the operator allowed: what protected transports use.
    PublicOrAllowed,
    /// Only networks the operator allowed: what unprotected transports (plain `http`) use.
    AllowedOnly,
}

/// Why no address was given out. Says neither host nor address: the first may be secret, the second would tell a
/// tenant about networks that are not theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// The name has no address now; it may have one later.
    #[error("the host of the address has no address in DNS now")]
    Unknown,
    /// One of the addresses is not public, and the operator did not allow its network.
    #[error(
        "the host of the address leads to {0}; it must be public, or the operator must allow its network with `--allow-network`"
    )]
    NotPublic(Range),
    /// Plain `http` to an address outside the allowed networks.
    #[error(
        "plain `http` must stay inside the networks that the operator allowed with `--allow-network`; use `https`"
    )]
    PlainOutside,
}

impl AddressError {
    /// Whether trying again cannot help until somebody changes an address, a name or a flag.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::NotPublic(_) | Self::PlainOutside => true,
        }
    }
}

/// What kind of address was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// This machine.
    Loopback,
    /// Private networks, ULA and site-local included.
    Private,
    /// Link-local, where clouds keep their metadata.
    LinkLocal,
    /// Shared space of carriers (100.64.0.0/10).
    CarrierNat,
    /// Multicast and broadcast.
    Multicast,
    /// `0.0.0.0/8` and `::`.
    Unspecified,
    /// Documentation and benchmarking.
    Documentation,
    /// An IPv6 address that carries an IPv4 address inside in a way nobody should need.
    Embedded,
    /// Anything else that is not handed out for public use.
    Reserved,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::CarrierNat => "a carrier's shared address",
            Self::Multicast => "a multicast or broadcast address",
            Self::Unspecified => "the unspecified address",
            Self::Documentation => "an address for documentation or benchmarks",
            Self::Embedded => "an IPv6 address that hides an IPv4 address",
            Self::Reserved => "a reserved address",
        })
    }
}

/// One lookup of a name, shared by all who ask for it meanwhile.
type Shared = futures::future::Shared<BoxFuture<'static, Result<Arc<[IpAddr]>, io::ErrorKind>>>;

/// Resolves hosts and gives out only vetted addresses. Clones share lookups in flight.
#[derive(Clone)]
pub struct Guard {
    allowed: Arc<[IpNet]>,
    lookup: Arc<dyn Lookup>,
    /// Looking a name up holds one of the machine's few blocking threads: a dead name server must not take them all.
    in_flight: Arc<Mutex<HashMap<String, Shared>>>,
}

impl Guard {
    /// A guard that lets `allowed` networks through besides the public ones.
    pub fn new(allowed: Vec<IpNet>, lookup: Arc<dyn Lookup>) -> Self {
        Self {
            allowed: allowed.into(),
            lookup,
            in_flight: Arc::default(),
        }
    }

    /// Resolves `host` (a name or an IP literal, without brackets) once and vets **every** address: one bad address
    /// spoils all, so that a name cannot mix a public with an inner one.
    pub async fn resolve(&self, host: &str, reach: Reach) -> Result<Vec<IpAddr>, AddressError> {
        let addresses = match host.parse::<IpAddr>() {
            Ok(literal) => vec![literal],
            Err(_) => self
                .look_up(host)
                .await
                .map_err(|_| AddressError::Unknown)?
                .to_vec(),
        };
        if addresses.is_empty() {
            return Err(AddressError::Unknown);
        }
        addresses
            .into_iter()
            .map(|address| self.vet(address, reach))
            .collect()
    }

    /// Asks the resolver, or waits with whoever asks it already. The task ends by itself when its waiters give up.
    async fn look_up(&self, host: &str) -> Result<Arc<[IpAddr]>, io::ErrorKind> {
        let shared = self
            .in_flight
            .lock()
            .entry(host.to_owned())
            .or_insert_with(|| {
                let (guard, host) = (self.clone(), host.to_owned());
                let task = tokio::spawn(async move {
                    let found = guard.lookup.addresses(&host).await;
                    guard.in_flight.lock().remove(&host);
                    found.map(Arc::from).map_err(|error| error.kind())
                });
                let found = async { task.await.unwrap_or(Err(io::ErrorKind::Other)) };
                found.boxed().shared()
            })
            .clone();
        shared.await
    }

    /// Vets one address and gives back its plain form (v4-mapped ones become IPv4).
    pub fn vet(&self, address: IpAddr, reach: Reach) -> Result<IpAddr, AddressError> {
        let plain = address.to_canonical();
        if self.allowed.iter().any(|network| network.contains(&plain)) {
            return Ok(plain);
        }
        match (refused(plain), reach) {
            (Some(range), Reach::PublicOrAllowed | Reach::AllowedOnly) => {
                Err(AddressError::NotPublic(range))
            }
            (None, Reach::AllowedOnly) => Err(AddressError::PlainOutside),
            (None, Reach::PublicOrAllowed) => Ok(plain),
        }
    }
}

/// Why `address` is not public; `None` when it is.
fn refused(address: IpAddr) -> Option<Range> {
    match address {
        IpAddr::V4(v4) => refused_v4(v4),
        IpAddr::V6(v6) => refused_v6(v6),
    }
}

/// The IANA special-purpose registry for IPv4, and multicast.
fn refused_v4(address: Ipv4Addr) -> Option<Range> {
    match address.octets() {
        [0, ..] => Some(Range::Unspecified),
        [127, ..] => Some(Range::Loopback),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(Range::Private),
        [100, 64..=127, ..] => Some(Range::CarrierNat),
        [169, 254, ..] => Some(Range::LinkLocal),
        [192, 0, 2, _] | [198, 18..=19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Some(Range::Documentation)
        }
        [224..=239, ..] | [255, 255, 255, 255] => Some(Range::Multicast),
        [192, 0, 0, _] | [192, 88, 99, _] | [240..=255, ..] => Some(Range::Reserved),
        [_, _, _, _] => None,
    }
}

/// Only global unicast space (`2000::/3`) is public, without its special parts. NAT64's well-known prefix stands for the
/// IPv4 address inside, so a cluster that has only IPv6 reaches public IPv4 hosts and no inner ones.
fn refused_v6(address: Ipv6Addr) -> Option<Range> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Range::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Range::Loopback),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => refused_v4(Ipv4Addr::from_bits(
            (u32::from(high) << 16) | u32::from(low),
        )),
        segments if hides_v4(segments) => Some(Range::Embedded),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x2001, 2, 0, ..] => {
            Some(Range::Documentation)
        }
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Some(Range::Private),
        [0xfe80..=0xfebf, ..] => Some(Range::LinkLocal),
        [0xff00..=0xffff, ..] => Some(Range::Multicast),
        [first, second, ..] => {
            let protocols = first == 0x2001 && second <= 0x1ff;
            let global = (0x2000..=0x3fff).contains(&first) && !protocols;
            (!global).then_some(Range::Reserved)
        }
    }
}

/// Whether an IPv4 address sits inside: v4-compatible and v4-translated, NAT64 of local use, Teredo, 6to4, and ISATAP
/// (in the interface part of any prefix).
fn hides_v4(segments: [u16; 8]) -> bool {
    matches!(
        segments,
        [0, 0, 0, 0, 0 | 0xffff, 0, _, _]
            | [0x64, 0xff9b, ..]
            | [0x2001, 0, ..]
            | [0x2002, ..]
            | [_, _, _, _, 0 | 0x200, 0x5efe, _, _]
    )
}

#[cfg(test)]
mod tests;
