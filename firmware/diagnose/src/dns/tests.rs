//! Questions and answers as bytes.

use super::*;
use proptest::prelude::*;

/// An answer to the question with these records behind it.
fn answer(question: &[u8], flags: u16, count: u16, records: &[u8]) -> Vec<u8> {
    let mut message = question.to_vec();
    message[2..4].copy_from_slice(&flags.to_be_bytes());
    message[6..8].copy_from_slice(&count.to_be_bytes());
    message.extend(records);
    message
}

#[test]
fn a_question_is_these_bytes() {
    let expected = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x00\x00\x1c\x00\x01";
    assert_eq!(query(0x1234, "www.example.", Kind::Aaaa).unwrap(), expected);
    let long = "x".repeat(64);
    for name in ["", ".", "a..b", "ü.example", "a b", &long, &["x"; 128].join(".")] {
        assert_eq!(query(1, name, Kind::A), Err(DnsError::Name(name.to_owned())), "{name}");
    }
    assert_eq!(reverse_name([192, 0, 2, 7].into()), "7.2.0.192.in-addr.arpa");
    let v6: IpAddr = "2001:db8::567:89ab".parse().unwrap();
    let expected = "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    assert_eq!(reverse_name(v6), expected);
}

#[test]
fn an_answer_is_put_into_words() {
    let question = query(7, "www.example", Kind::A).unwrap();
    // A CNAME that points at the question's second label, an address, a text, and something else.
    let records = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x06\x03lb1\xc0\x10\
        \xc0\x29\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x07\
        \x00\x00\x10\x00\x01\x00\x00\x00\x00\x00\x06\x02a\"\x02\x1b[\
        \x01*\x00\x00\x63\x00\x01\x00\x00\x00\x05\x00\x02xx";
    let read = read(&question, &answer(&question, 0x8180, 4, records)).unwrap();
    let expected = [
        "www.example. 60 CNAME lb1.example.",
        "lb1.example. 60 A 192.0.2.7",
        ". 0 TXT \"a\\\"\" \"\\u{1b}[\"",
        "*. 5 TYPE99 of 2 bytes",
    ];
    assert_eq!(
        read,
        Answer { problem: None, truncated: false, records: expected.map(String::from).to_vec() }
    );
}

#[test]
fn a_refusal_is_said_and_a_foreign_answer_is_none() {
    let question = query(7, "www.example", Kind::Mx).unwrap();
    let said = |flags| read(&question, &answer(&question, flags, 0, &[])).map(|answer| answer.problem);
    assert_eq!(said(0x8183), Ok(Some(String::from("the name does not exist"))));
    assert_eq!(said(0x8185), Ok(Some(String::from("the server refuses to answer"))));
    assert_eq!(said(0x818b), Ok(Some(String::from("the server answers with error 11"))));
    assert!(read(&question, &answer(&question, 0x8380, 0, &[])).unwrap().truncated);
    assert_eq!(said(0x0100), Err(DnsError::Foreign), "a question is no answer");
    for other in
        [query(8, "www.example", Kind::Mx), query(7, "www.example", Kind::A), query(7, "x.example", Kind::Mx)]
    {
        let foreign = answer(&other.unwrap(), 0x8180, 0, &[]);
        assert_eq!(read(&question, &foreign), Err(DnsError::Foreign));
    }
}

#[test]
fn names_without_an_end_and_records_that_are_cut_off_are_refused() {
    let question = query(7, "www.example", Kind::Ns).unwrap();
    let itself = answer(&question, 0x8180, 1, b"\xc0\x1d\x00\x02\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x1d");
    assert_eq!(read(&question, &itself), Err(DnsError::Endless));
    let good =
        answer(&question, 0x8180, 1, b"\xc0\x0c\x00\x02\x00\x01\x00\x00\x00\x3c\x00\x05\x02ns\xc0\x10");
    assert_eq!(read(&question, &good).unwrap().records, ["www.example. 60 NS ns.example."]);
    for cut in question.len()..good.len() {
        assert_eq!(read(&question, &good[..cut]), Err(DnsError::Short(cut)), "{cut}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer_or_an_error(tail: Vec<u8>, flags: u16, count: u16) {
        let question = query(7, "www.example", Kind::A).unwrap();
        let _ = read(&question, &tail);
        if let Ok(answer) = read(&question, &answer(&question, flags | 0x8000, count, &tail)) {
            prop_assert!(answer.records.iter().all(|record| !record.chars().any(char::is_control)));
        }
    }
}
