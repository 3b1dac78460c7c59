//! What a check has to say: findings make a revision unusable, open items are work somebody still has to do.

use std::fmt;

use crate::api;

/// What is wrong; each kind has one word, the same in status, lint and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingCode {
    /// A contact is named that does not exist.
    UnknownContact,
    /// A group is named that does not exist.
    UnknownGroup,
    /// A rota is named that does not exist.
    UnknownRota,
    /// A connector is named that does not exist.
    UnknownConnector,
    /// A calendar is named that does not exist.
    UnknownCalendar,
    /// A time zone is not in the IANA database.
    UnknownTimeZone,
    /// Two entries of a list have the same name.
    DuplicateName,
    /// Windows of a calendar overlap.
    WindowsOverlap,
    /// A calendar or window never opens.
    WindowEmpty,
    /// A list reaches more than 16 targets.
    TooManyTargets,
    /// An address or server its connector cannot use.
    AddressUnusable,
    /// A time, date or interval that cannot be read.
    InvalidTime,
    /// A shift without a length, or a rota without members.
    InvalidShift,
    /// A target that names nothing, or several things at once.
    InvalidTarget,
    /// A repetition without a pause.
    InvalidRepeat,
}

impl FindingCode {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownContact => "UnknownContact",
            Self::UnknownGroup => "UnknownGroup",
            Self::UnknownRota => "UnknownRota",
            Self::UnknownConnector => "UnknownConnector",
            Self::UnknownCalendar => "UnknownCalendar",
            Self::UnknownTimeZone => "UnknownTimeZone",
            Self::DuplicateName => "DuplicateName",
            Self::WindowsOverlap => "WindowsOverlap",
            Self::WindowEmpty => "WindowEmpty",
            Self::TooManyTargets => "TooManyTargets",
            Self::AddressUnusable => "AddressUnusable",
            Self::InvalidTime => "InvalidTime",
            Self::InvalidShift => "InvalidShift",
            Self::InvalidTarget => "InvalidTarget",
            Self::InvalidRepeat => "InvalidRepeat",
        }
    }
}

/// An error: the revision is unusable until it is mended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What kind.
    pub code: FindingCode,
    /// Where, such as `spec.steps[1].notify[0].contact`.
    pub path: String,
    /// What is wrong, why, and what it must be.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} ({})",
            self.path,
            self.message,
            self.code.as_str()
        )
    }
}

/// What is still open; each kind has one word, the same in status, document and lint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemCode {
    /// A Secret is needed and not there.
    SecretMissing,
    /// A Secret lacks a key.
    SecretKeyMissing,
    /// A step has nobody it could reach.
    StepReachesNobody,
    /// A contact is to be told and has no way to be reached.
    ContactUnreachable,
    /// At some time a step can page while nobody of its rota is on call.
    RotaGap,
    /// A severity has no response target.
    NoResponseTarget,
    /// A severity has no row.
    SeverityMissing,
    /// A lower severity is treated more urgently than a higher one.
    LowerSeverityLouder,
    /// A step applies to no severity that pages.
    StepNeverFires,
    /// Repeats of a step run into the next step, which ends them.
    RepeatsTooLong,
    /// No step calls engineering.
    NoEngineeringStep,
    /// A step calls engineering and does not say what is expected.
    NoExpectation,
    /// A stage of the workflow has nobody who serves it.
    StageUnserved,
    /// The document is older than its review period.
    ReviewOverdue,
    /// More than one policy of the namespace is the default.
    DefaultConflict,
    /// The template of a connector cannot be used.
    TemplateInvalid,
}

impl ItemCode {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretMissing => "SecretMissing",
            Self::SecretKeyMissing => "SecretKeyMissing",
            Self::StepReachesNobody => "StepReachesNobody",
            Self::ContactUnreachable => "ContactUnreachable",
            Self::RotaGap => "RotaGap",
            Self::NoResponseTarget => "NoResponseTarget",
            Self::SeverityMissing => "SeverityMissing",
            Self::LowerSeverityLouder => "LowerSeverityLouder",
            Self::StepNeverFires => "StepNeverFires",
            Self::RepeatsTooLong => "RepeatsTooLong",
            Self::NoEngineeringStep => "NoEngineeringStep",
            Self::NoExpectation => "NoExpectation",
            Self::StageUnserved => "StageUnserved",
            Self::ReviewOverdue => "ReviewOverdue",
            Self::DefaultConflict => "DefaultConflict",
            Self::TemplateInvalid => "TemplateInvalid",
        }
    }

    /// Whether lint counts it as an error although tickets run on: a level missing from `severities` (api.md section
    /// 3), a template that cannot be used.
    pub fn is_error_in_lint(self) -> bool {
        self == Self::SeverityMissing || self == Self::TemplateInvalid
    }
}

/// A warning: tickets run, and somebody still has to settle this.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenItem {
    /// What kind.
    pub code: ItemCode,
    /// Where, such as `spec.severities[2].responseTarget`.
    pub path: String,
    /// What is open, why it matters, and what to do.
    pub message: String,
}

impl fmt::Display for OpenItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} ({})",
            self.path,
            self.message,
            self.code.as_str()
        )
    }
}

impl OpenItem {
    /// The form of `status.openItems`.
    pub fn to_item(&self) -> api::OpenItem {
        api::OpenItem {
            code: self.code.as_str().to_owned(),
            path: self.path.chars().take(256).collect(),
            message: self.message.chars().take(512).collect(),
        }
    }
}

/// Collects findings as the checks go through the spec.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn add(
        &mut self,
        code: FindingCode,
        path: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.0.push(Finding {
            code,
            path: path.into(),
            message: message.into(),
        });
    }
}

/// Collects open items as the checks go through the spec.
#[derive(Debug, Default)]
pub(super) struct Items(pub(super) Vec<OpenItem>);

impl Items {
    pub(super) fn add(
        &mut self,
        code: ItemCode,
        path: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.0.push(OpenItem {
            code,
            path: path.into(),
            message: message.into(),
        });
    }
}
