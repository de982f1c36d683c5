use super::*;
fn problem(text: &str) -> (std::ops::Range<usize>, FilterProblem) {
    let error = Filter::parse(text).unwrap_err();
    (error.span, error.problem)
}

#[test]
fn an_unknown_field_names_the_nearest_ones_and_its_place() {
    let (span, problem) = problem("ip and tcp.prot == 80");
    assert_eq!(span, 7..15);
    let FilterProblem::UnknownField { name, nearest } = problem else { panic!("{problem:?}") };
    assert_eq!((name.as_str(), nearest[0]), ("tcp.prot", "tcp.port"));
}

#[test]
fn what_is_wrong_is_pointed_at() {
    use crate::field::Kind;
    assert_eq!(problem("tcp.port == abc"), (12..15, FilterProblem::BadValue { kind: Kind::Number }));
    assert_eq!(problem("ip.src == 1.2.3.400"), (10..19, FilterProblem::BadValue { kind: Kind::Ipv4 }));
    assert_eq!(problem("ip.src == 1.2.3.0/33"), (10..20, FilterProblem::BadValue { kind: Kind::Ipv4 }));
    assert_eq!(problem("tcp.port contains 80"), (9..17, FilterProblem::BadOperator { kind: Kind::Number }));
    assert_eq!(problem("tcp.port =="), (11..11, FilterProblem::OperandExpected));
    assert_eq!(problem("(tcp"), (0..1, FilterProblem::NotClosed));
    assert_eq!(problem("tcp)"), (3..4, FilterProblem::Unexpected));
    assert_eq!(problem("\"abc"), (0..4, FilterProblem::NotClosed));
    assert_eq!(problem("tcp.port in 80"), (12..14, FilterProblem::Unexpected));
    assert_eq!(problem("tcp.port not == 80"), (9..12, FilterProblem::Unexpected));
    assert_eq!(problem("tcp.port not in 80"), (16..18, FilterProblem::Unexpected));
    let big = FilterProblem::TooBig { number: "0x10000".to_owned(), most: 65_535 };
    assert_eq!(problem("tcp.port == 0x10000"), (12..19, big.clone()));
    assert_eq!(problem("0x10000 == tcp.port"), (0..7, big));
    assert_eq!(problem("tcp.payload matches \"(\""), (20..23, FilterProblem::BadExpression));
    assert_eq!(problem("tcp[0-]"), (3..7, FilterProblem::BadSlice));
    assert_eq!(problem("80 == 80"), (0..2, FilterProblem::NoField));
    assert_eq!(problem("size(tcp) == 1"), (0..4, FilterProblem::UnknownFunction));
    assert_eq!(
        problem("ip.src == tcp.port"),
        (7..9, FilterProblem::BadPair { left: Kind::Ipv4, right: Kind::Number })
    );
    assert_eq!(problem("ip §"), (3..5, FilterProblem::Unexpected));
}

#[test]
fn a_filter_cannot_grow_past_its_bounds() {
    let slices = |count: usize| format!("frame[{}] == 00", vec![":"; count].join(","));
    Filter::parse(&slices(64)).unwrap();
    assert_eq!(problem(&slices(65)).1, FilterProblem::BadSlice);
    let nested = |brackets: usize, inside: &str| format!("frame{} == 00", inside.repeat(brackets));
    Filter::parse(&nested(6, "[:,:]")).unwrap();
    assert_eq!(problem(&nested(7, "[:,:]")).1, FilterProblem::BadSlice);
    Filter::parse(&nested(64, "[:]")).unwrap();
    assert_eq!(problem(&nested(65, "[:]")).1, FilterProblem::BadSlice);
    // Each state of an expression has room for each group: these few letters would take gigabytes.
    let groups = |count: usize| format!("frame matches \"{}\"", "(a)".repeat(count));
    Filter::parse(&groups(50)).unwrap();
    assert_eq!(problem(&groups(5_000)).1, FilterProblem::BadExpression);
    assert_eq!(problem("frame matches \"(.{1000}){1000}\"").1, FilterProblem::BadExpression);
    // All together have a bound, too, with room for many that are as long as people write them.
    let many = |one: &str| vec![format!("frame matches \"{one}\""); 300].join(" or ");
    Filter::parse(&many("^host-[0-9]+\\.subdomain\\.example\\.(com|org)$")).unwrap();
    assert_eq!(problem(&many("(.{900}){10}")).1, FilterProblem::BadExpression);
}

#[test]
fn a_value_is_made_of_digits_and_of_a_sign_where_one_may_stand() {
    // What tshark 4.0.17 accepts of these, and what not.
    for value in ["0", "5", "+5", "-5", "-5.25", "1.123456789"] {
        Filter::parse(&format!("frame.time_relative == {value}")).unwrap();
    }
    for value in ["--5", "-+5", "1.+5", ".5", "5.", ".", "-", "-.", "1.1234567891"] {
        let error = problem(&format!("frame.time_relative == {value}")).1;
        assert_eq!(error, FilterProblem::BadValue { kind: crate::field::Kind::Seconds }, "{value}");
    }
    for filter in ["tcp.port == 0x+5", "tcp.port == 0x", "eth.addr == +1:02:03:04:05:06"] {
        assert!(matches!(problem(filter).1, FilterProblem::BadValue { .. }), "{filter}");
    }
}

#[test]
fn no_filter_can_exhaust_the_stack() {
    for (open, close) in [("(", ")"), ("!", ""), ("len(", ")"), ("not ", ""), ("any ", ""), ("all ", "")] {
        let text = format!("{}tcp{}", open.repeat(100_000), close.repeat(100_000));
        let error = Filter::parse(&text).unwrap_err();
        assert!(matches!(error.problem, FilterProblem::TooDeep), "{open}: {error:?}");
    }
    let chain = vec!["tcp"; 5_000].join(" or ");
    Filter::parse(&chain).unwrap();
}

#[test]
fn what_a_kernel_can_tell_of_a_filter_bounds_it() {
    let port = |side, port| Condition::Port(side, port, port);
    let either = |number| [port(Side::Source, number), port(Side::Destination, number)];
    let told = |text| {
        let Prefilter { tcp_ipv4, udp_ipv4, tcp_ipv6, udp_ipv6 } = Filter::parse(text).unwrap().prefilter();
        [tcp_ipv4, udp_ipv4, tcp_ipv6, udp_ipv6]
    };
    let (always, never) = (Condition::Always, Condition::Never);
    // Of TCP both directions, of UDP the one that fits.
    let http = Condition::Any(either(80).to_vec());
    assert_eq!(
        told("tcp.dstport == 80 and tcp.len > 0"),
        [&http, &never, &http, &never].map(Condition::clone)
    );
    let answer = port(Side::Source, 53);
    assert_eq!(told("udp.srcport == 53"), [&never, &answer, &never, &answer].map(Condition::clone));
    assert_eq!(told("not ip"), [&never, &never, &always, &always].map(Condition::clone));
    let none = Condition::All(either(22).map(|port| Condition::Not(Box::new(port))).to_vec());
    assert_eq!(told("tcp.port != 22"), [&none, &never, &none, &never].map(Condition::clone));
    assert_eq!(told("icmp"), [never.clone(), never.clone(), never.clone(), never]);
    for text in ["", "frame.len > 60", "tcp.stream == 0", "not tcp.flags.syn == 1", "vlan or tcp.port == 80"]
    {
        assert_eq!(Filter::parse(text).unwrap().prefilter(), Prefilter::EVERYTHING, "{text}");
    }
}
