use rstest::rstest;

use super::*;

#[rstest]
#[case("smtp://mail.example", "mail.example", 587, false)]
#[case("smtp://mail.example:25", "mail.example", 25, false)]
#[case("smtps://mail.example/", "mail.example", 465, true)]
#[case("smtps://[2001:db8::1]:465", "2001:db8::1", 465, true)]
#[case("smtp://127.0.0.1:2525", "127.0.0.1", 2525, false)]
fn a_server_is_read(
    #[case] text: &str,
    #[case] host: &str,
    #[case] port: u16,
    #[case] implicit_tls: bool,
) {
    let server = Server {
        host: host.into(),
        port,
        implicit_tls,
    };
    assert_eq!(Server::read(text), Ok(server));
}

#[rstest]
#[case("")]
#[case("mail.example")]
#[case("https://mail.example")]
#[case("smtp://")]
#[case("smtp://user:pass-s3cret@mail.example")]
#[case("smtp://mail.example/path")]
#[case("smtp://mail.example?x")]
#[case("smtp:mail.example")]
fn what_is_no_mail_server_is_refused_in_words_that_do_not_show_it(#[case] text: &str) {
    let error = Server::read(text).unwrap_err();
    assert!(error.contains("must be smtp://"), "{error}");
    assert!(!error.contains("s3cret"));
}

#[cfg(feature = "testkit")]
mod on_the_wire;
