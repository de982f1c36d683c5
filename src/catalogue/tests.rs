use super::*;
use crate::problem::{Kind, Problem};
use fluent_syntax::ast::{Entry, Expression, InlineExpression, PatternElement};
use std::collections::{BTreeMap, BTreeSet};

/// Texts that may read the same in both languages.
const SAME: [&str; 16] = [
    "kind-bytes",
    "remark-keep-alive",
    "column-a",
    "column-b",
    "column-bytes",
    "column-conversation",
    "column-from-a",
    "column-from-b",
    "column-rfc",
    "doctor-no",
    "problem-call-failed",
    "problem-call-refused",
    "problem-file",
    "problem-resources",
    "problem-write-file",
    "story-finding",
];

/// The variables that each text of a language speaks of.
fn variables(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    variables_of(language.source())
}

fn variables_of(source: &str) -> BTreeMap<String, BTreeSet<String>> {
    let resource = FluentResource::try_new(source.to_owned()).expect("the file parses");
    let mut all = BTreeMap::new();
    for entry in resource.entries() {
        let Entry::Message(message) = entry else { continue };
        let mut names = BTreeSet::new();
        collect(&message.value.as_ref().expect("a text").elements, &mut names);
        assert!(
            all.insert(message.id.name.to_owned(), names).is_none(),
            "{} is there twice",
            message.id.name
        );
    }
    all
}

fn collect(elements: &[PatternElement<&str>], names: &mut BTreeSet<String>) {
    for element in elements {
        match element {
            PatternElement::Placeable { expression: Expression::Select { selector, variants } } => {
                collect_inline(selector, names);
                for variant in variants {
                    collect(&variant.value.elements, names);
                }
            }
            PatternElement::Placeable { expression: Expression::Inline(inline) } => {
                collect_inline(inline, names);
            }
            PatternElement::TextElement { .. } => {}
        }
    }
}

fn collect_inline(inline: &InlineExpression<&str>, names: &mut BTreeSet<String>) {
    if let InlineExpression::VariableReference { id } = inline {
        names.insert(id.name.to_owned());
    }
}

#[test]
fn both_languages_have_the_same_texts_about_the_same_things() {
    let [english, spanish] = Language::ALL.map(variables);
    for (id, names) in &english {
        assert_eq!(Some(names), spanish.get(id), "{id}");
    }
    assert_eq!(english.len(), spanish.len(), "{:?}", spanish.keys().filter(|id| !english.contains_key(*id)));
}

#[test]
fn no_spanish_text_is_the_english_one_left_over() {
    let [english, spanish] = Language::ALL.map(Catalogue::new);
    for id in variables(Language::English).keys().filter(|id| !SAME.contains(&id.as_str())) {
        assert_ne!(english.plain(id), spanish.plain(id), "{id}");
    }
}

#[test]
fn what_is_said_in_other_words_elsewhere_is_about_the_same_things() {
    let [english, spanish] = Language::ALL.map(|language| variables_of(language.elsewhere()));
    assert_eq!(english, spanish);
    for language in Language::ALL {
        let everywhere = variables(language);
        for (id, names) in variables_of(language.elsewhere()) {
            assert_eq!(everywhere.get(&id), Some(&names), "{id}");
        }
    }
}

#[test]
fn every_problem_has_a_sentence_in_both_languages() {
    for catalogue in Language::ALL.map(Catalogue::new) {
        for kind in Kind::ALL {
            let id = format!("problem-{}", kind.name());
            assert!(catalogue.has(&id), "{id}");
            let text = Problem::new(*kind).text(&catalogue);
            assert!(
                !text.contains('\n') && !text.ends_with('.'),
                "one sentence, without a full stop: {text}"
            );
        }
    }
}

#[test]
fn no_text_is_left_that_nothing_says() {
    let problems: BTreeSet<String> =
        Kind::ALL.iter().map(|kind| format!("problem-{}", kind.name())).collect();
    let texts = variables(Language::English);
    let written: BTreeSet<String> = texts.keys().filter(|id| id.starts_with("problem-")).cloned().collect();
    assert_eq!(written, problems);
}

#[test]
fn plurals_follow_each_language() {
    let text = |language, count: u64| {
        let mut args = FluentArgs::new();
        args.set("served", count);
        args.set("cut", 0);
        args.set("empty", 0);
        Catalogue::new(language).text("event-stopped", &args)
    };
    assert_eq!(text(Language::Spanish, 1), "Fin: 1 conexión atendida");
    assert_eq!(text(Language::Spanish, 2), "Fin: 2 conexiones atendidas");
    assert_eq!(text(Language::English, 1), "Over: 1 connection served");
    assert_eq!(text(Language::English, 0), "Over: 0 connections served");
}

#[test]
fn times_have_three_digits_and_a_unit() {
    let said = |nanoseconds| human_time(std::time::Duration::from_nanos(nanoseconds));
    assert_eq!(said(999), "999 ns");
    assert_eq!(said(999_499), "999 µs");
    assert_eq!(said(999_999), "1 ms");
    assert_eq!(said(9_999_999), "10 ms");
    assert_eq!(said(0), "0 ns");
    assert_eq!(said(53_000), "53 µs");
    assert_eq!(said(1_234_567), "1.23 ms");
    assert_eq!(said(45_670_000), "45.7 ms");
    assert_eq!(said(50_000_000), "50 ms");
    assert_eq!(said(5_000_000_000), "5 s");
    assert_eq!(said(61_500_000_000), "61.5 s");
}
