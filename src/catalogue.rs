//! The texts for people, in English and Spanish: one Fluent file each, the same ids in both.
//!
//! Ids are made from the libraries' own: `event-ID`, `reason-ID`, `problem-ID`, `flag-NAME`.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

/// A language that there are texts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    Spanish,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::Spanish];

    /// `en` or `es`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
        }
    }

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// The user's, by the system's locale; English where there is no text in it.
    pub fn of_locale() -> Self {
        let spanish = sys_locale::get_locale().is_some_and(|locale| locale.to_lowercase().starts_with("es"));
        if spanish { Self::Spanish } else { Self::English }
    }

    const fn source(self) -> &'static str {
        match self {
            Self::English => include_str!("catalogue/en.ftl"),
            Self::Spanish => include_str!("catalogue/es.ftl"),
        }
    }
}

/// The texts of one language.
pub struct Catalogue {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

impl Catalogue {
    pub fn new(language: Language) -> Self {
        let id = match language {
            Language::English => "en",
            Language::Spanish => "es-MX",
        };
        let id: LanguageIdentifier = id.parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![id]);
        // The marks that isolate arguments by direction are for pages, not for terminals.
        bundle.set_use_isolating(false);
        // A test sees to it that the files have no errors; what parsed is used in any case.
        let resource =
            FluentResource::try_new(language.source().to_owned()).unwrap_or_else(|(resource, _)| resource);
        bundle.add_resource_overriding(resource);
        Self { language, bundle }
    }

    pub const fn language(&self) -> Language {
        self.language
    }

    pub fn has(&self, id: &str) -> bool {
        self.bundle.has_message(id)
    }

    /// The text of `id`; the id itself where there is none, so that nothing is lost.
    pub fn text(&self, id: &str, args: &FluentArgs<'_>) -> String {
        let Some(pattern) = self.bundle.get_message(id).and_then(|message| message.value()) else {
            return id.to_owned();
        };
        self.bundle.format_pattern(pattern, Some(args), &mut Vec::new()).into_owned()
    }

    /// The text of an `id` without arguments.
    pub fn plain(&self, id: &str) -> String {
        self.text(id, &FluentArgs::new())
    }
}

/// A time as people say it, to three digits.
pub fn human_time(time: std::time::Duration) -> String {
    let nanoseconds = time.as_nanos();
    let (unit, size) = match nanoseconds {
        0..1_000 => ("ns", 1_u32),
        1_000..1_000_000 => ("µs", 1_000),
        1_000_000..1_000_000_000 => ("ms", 1_000_000),
        _ => ("s", 1_000_000_000),
    };
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = nanoseconds as f64 / f64::from(size);
    let decimals = if value >= 100.0 || size == 1 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    let mut number = format!("{value:.decimals$}");
    if number.contains('.') {
        number.truncate(number.trim_end_matches('0').trim_end_matches('.').len());
    }
    format!("{number} {unit}")
}

#[cfg(test)]
mod tests;
