"""Previews of invoices: what would be charged, without anything being kept."""
