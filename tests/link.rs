//! A link between traced programs that loses, delays and doubles by rules. What each segment's cause then is, `ci/causes`
//! asks of more programs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Process, enchufe, run};
use serde_json::{Value, json};

/// The segments of report 1's echo on a link, as `role flags length`, and what is told of their way.
fn echo(rules: &str) -> (Vec<String>, Vec<Value>) {
    let programs = ["python3 -u tests/programs/servidor.py", "python3 -u tests/programs/cliente.py"];
    let done = run(&[&["trace", "--json", "--link", rules][..], &programs].concat());
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
    let events: Vec<Value> = done.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().all(|event| event["event"] != "disagreement"), "{}", done.text());
    let segments: Vec<Value> = events.iter().filter(|event| event["event"] == "segment").cloned().collect();
    (segments.iter().map(short).collect(), events)
}

/// A segment as `role flags length`, and whether it was lost.
fn short(segment: &Value) -> String {
    let flags: Vec<&str> = segment["flags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let lost = if segment["lost"] == true { " lost" } else { "" };
    format!("{} {} {}{lost}", segment["role"].as_str().unwrap(), flags.join("+"), segment["length"])
}

#[test]
#[cfg_attr(
    not(all(have_python3, have_namespaces, have_tun)),
    ignore = "needs python3, network namespaces and /dev/net/tun"
)]
fn what_is_lost_is_sent_again_and_both_say_why() {
    let (segments, events) = echo("lose client data 1");
    let data: Vec<&String> = segments.iter().filter(|segment| segment.contains("client PSH+ACK")).collect();
    let (sent, more) = data.split_at(2);
    assert_eq!(sent, ["client PSH+ACK 19 lost", "client PSH+ACK 19"]);
    // A link that stands still for longer than the timer of the one that was sent again has it sent once more, which is not lost.
    assert!(more.iter().all(|more| *more == "client PSH+ACK 19"), "{data:?}");
    let again = events.iter().find(|event| event["what"][0]["what"] == "repeats").unwrap();
    assert_eq!(again["by"][0]["deed"], "writes-again");
    assert_eq!(again["by"][0]["calls"][0]["line"], 10);
    assert_eq!(again["why"]["why"], "timer-retransmission");
    let number = again["number"].as_u64().unwrap();
    let reads =
        events.iter().find(|event| event["event"] == "call_left" && event["name"] == "recvfrom").unwrap();
    assert_eq!(reads["from"], serde_json::json!([number]), "not by the one that was lost");
}

#[test]
#[cfg_attr(
    not(all(have_python3, have_namespaces, have_tun)),
    ignore = "needs python3, network namespaces and /dev/net/tun"
)]
fn what_is_late_has_two_times_and_what_is_doubled_arrives_again() {
    let (_, events) = echo("delay 40ms server data 1, double client data 1");
    let sent = |role: &str| {
        let mut segments = events.iter().filter(|event| event["event"] == "segment");
        segments.find(|event| event["role"] == role && event["length"] == 19).unwrap()
    };
    let late = sent("server");
    let way = late["received_epoch_ns"].as_i64().unwrap() - late["time_epoch_ns"].as_i64().unwrap();
    assert!(way >= 40_000_000, "{way}");
    let again: Vec<&Value> = events.iter().filter(|event| event["event"] == "arrived_again").collect();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0]["number"], sent("client")["number"]);
}

#[test]
#[cfg_attr(not(all(have_namespaces, have_python3)), ignore = "needs python3, user and network namespaces")]
fn on_loopback_a_segment_has_the_time_when_it_was_sent_and_the_one_when_it_was_received() {
    let programs = ["python3 -u tests/programs/servidor.py", "python3 -u tests/programs/cliente.py"];
    let done = run(&[&["trace", "--json"][..], &programs].concat());
    let events = done.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let segments: Vec<Value> = events.filter(|event| event["event"] == "segment").collect();
    // The server's FIN acknowledges the client's, unless the delayed acknowledgement (40 ms) was quicker than the programs: then that is
    // there besides, alone.
    let end = segments.iter().find(|segment| short(segment) == "client FIN+ACK 0").unwrap();
    let of_end = json!(end["seq"].as_u64().unwrap() + 1);
    let (late, all): (Vec<&Value>, Vec<&Value>) =
        segments.iter().partition(|segment| short(segment) == "server ACK 0" && segment["ack"] == of_end);
    assert!(late.len() <= 1, "each once: {}", done.text());
    let all: Vec<String> = all.into_iter().map(short).collect();
    let expected = [
        "client SYN 0",
        "server SYN+ACK 0",
        "client ACK 0",
        "client PSH+ACK 19",
        "server ACK 0",
        "server PSH+ACK 19",
        "client ACK 0",
        "client FIN+ACK 0",
        "server FIN+ACK 0",
        "client ACK 0",
    ];
    assert_eq!(all, expected, "each once: {}", done.text());
    for segment in segments {
        let time = |key: &str| segment[key].as_i64().unwrap();
        assert!(time("received_epoch_ns") >= time("time_epoch_ns"), "{segment}");
        assert_eq!(segment["lost"], Value::Null);
    }
}

#[test]
#[cfg_attr(not(all(have_namespaces, have_python3)), ignore = "needs python3, user and network namespaces")]
fn a_segment_that_is_to_be_cut_says_into_how_many() {
    let code = "import socket
listening = socket.create_server(('127.0.0.1', 0))
client = socket.socket()
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)
client.connect(listening.getsockname())
server, _ = listening.accept()
client.sendall(bytes(20000))
server.recv(20000, socket.MSG_WAITALL)";
    let done = run(&["trace", "-q", "--json", "--", "python3", "-c", code]);
    assert_eq!((done.code, done.errors()), (Some(0), ""), "{}", done.text());
    let events = done.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let data: Vec<Value> = events
        .filter(|event| event["event"] == "segment" && event["length"].as_u64() > Some(1_000))
        .collect();
    assert!(!data.is_empty());
    for segment in data {
        let pieces = &segment["wire_segments"];
        assert_eq!(pieces["at_least"], false, "{segment}");
        assert!(pieces["count"].as_u64().unwrap() >= segment["length"].as_u64().unwrap().div_ceil(1_000));
    }
}

#[test]
fn a_link_that_cannot_be_is_refused_in_one_sentence() {
    run(&["trace", "--link", "lose client data", "true"]).could_not_run(
        "--link has no rule \"lose client data\"; a rule is: lose|delay TIME|double client|server \
         syn|data|ack|update|fin|rst|segment N[-M] (no more than 5s), with commas between them",
    );
    let many = vec!["lose client syn 1"; 65].join(",");
    run(&["trace", "--link", &many, "true"]).could_not_run("--link has more than 64 rules");
    let words = ["trace", "--net", "host", "--link", "lose client syn 1", "true"];
    Process::start(enchufe("es", &words))
        .finish()
        .could_not_run("--link necesita los programas en una red propia: quita --net host");
}
