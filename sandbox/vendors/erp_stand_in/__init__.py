"""A light stand-in for the ERP: the part of Tryton's REST interface that the gateway uses, in one small process.

A real Tryton spends about 600 ms of CPU on an order, so thousands of orders under faults are run against this one. It
keeps a journal, which is what this vendor holds. The adapter's own contract tests run against both, and hold it to the
real ERP. Not in it: the worker that processes confirmed sales after their time of grace, shipments, accounting moves.
"""
