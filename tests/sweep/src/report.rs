//! Figures of the sweep as JSON and as a page.
