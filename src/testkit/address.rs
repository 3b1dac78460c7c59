//! An address for a program that is going to be started, and for its next start after a kill: a port that is free now
//! might be given to somebody else before the program listens at it, so it is kept for the program meanwhile.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of loopback that the kernel gives to nobody who asks for any port, as long as this lives. Whoever is told the
/// address can listen at it; until somebody does, connections are refused.
#[derive(Debug)]
pub struct Address {
    address: SocketAddr,
    /// Bound and never listening: those two together keep the port and leave it to the program.
    _kept: TcpSocket,
}

impl Address {
    /// Keeps a port that was free.
    pub fn keep() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self {
            address: socket.local_addr()?,
            _kept: socket,
        })
    }

    /// As flags and URLs have it: `127.0.0.1:40123`.
    pub fn text(&self) -> String {
        self.address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_program_can_listen_at_it_again_and_again_and_in_between_connections_are_refused() {
        let kept = Address::keep().unwrap();
        for _ in 0..2 {
            let refused = TcpStream::connect(kept.text()).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            let listener = TcpListener::bind(kept.text()).unwrap();
            TcpStream::connect(kept.text()).unwrap();
            listener.accept().unwrap();
        }
    }

    #[test]
    fn it_is_kept_from_whoever_does_not_know_of_it() {
        let kept = Address::keep().unwrap();
        let stranger = TcpSocket::new_v4().unwrap();
        let refused = stranger.bind(kept.address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    }
}
