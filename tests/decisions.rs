//! The decisions, driven by the production loop in virtual time: the timetable of api.md 3.1, the edge cases of
//! section 5, and a crash at every point between two decisions, before and after each commit and send.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "decisions/audit.rs"]
mod audit;
#[path = "decisions/bounds.rs"]
mod bounds;
#[path = "decisions/coming_back.rs"]
mod coming_back;
#[path = "decisions/conditions.rs"]
mod conditions;
#[path = "decisions/crashes.rs"]
mod crashes;
#[path = "decisions/deliveries.rs"]
mod deliveries;
#[path = "decisions/edge/mod.rs"]
mod edge;
#[path = "decisions/followup.rs"]
mod followup;
#[path = "decisions/handover.rs"]
mod handover;
#[path = "decisions/holds.rs"]
mod holds;
#[path = "decisions/holds_clocks.rs"]
mod holds_clocks;
#[path = "decisions/holds_limits.rs"]
mod holds_limits;
#[path = "decisions/holds_signal.rs"]
mod holds_signal;
#[path = "decisions/holds_told.rs"]
mod holds_told;
#[path = "decisions/hours.rs"]
mod hours;
#[path = "decisions/live_people.rs"]
mod live_people;
#[path = "decisions/maintenance.rs"]
mod maintenance;
#[path = "decisions/meanwhile.rs"]
mod meanwhile;
#[path = "decisions/moved.rs"]
mod moved;
#[path = "decisions/notices.rs"]
mod notices;
#[path = "decisions/opened_rca.rs"]
mod opened_rca;
#[path = "decisions/phases.rs"]
mod phases;
#[path = "decisions/quiet.rs"]
mod quiet;
#[path = "decisions/recurrence.rs"]
mod recurrence;
#[path = "decisions/said.rs"]
mod said;
#[path = "decisions/same_moment.rs"]
mod same_moment;
#[path = "decisions/suspend.rs"]
mod suspend;
#[path = "decisions/timetable.rs"]
mod timetable;
#[path = "decisions/updates.rs"]
mod updates;
#[path = "decisions/waiting.rs"]
mod waiting;
#[path = "decisions/world.rs"]
mod world;
