"""Widgets around the drawing functions: each shows part of a `Store` and redraws only what changed."""

from tuimon.viewer.widgets.chart import Chart, LookChanged, PlotOpened
from tuimon.viewer.widgets.chart_grid import ChartGrid
from tuimon.viewer.widgets.console_view import ConsoleView
from tuimon.viewer.widgets.drawn import Drawn
from tuimon.viewer.widgets.event_list import EventList
from tuimon.viewer.widgets.failure_panel import FailurePanel
from tuimon.viewer.widgets.findings_panel import FindingsPanel
from tuimon.viewer.widgets.histogram_view import HistogramView
from tuimon.viewer.widgets.layer_detail import LayerDetail
from tuimon.viewer.widgets.layer_table import LayerTable
from tuimon.viewer.widgets.lever_panel import LeverPanel
from tuimon.viewer.widgets.meters import GpuMeters, HostMeters
from tuimon.viewer.widgets.row_list import RowList
from tuimon.viewer.widgets.run_header import RunHeader
from tuimon.viewer.widgets.samples_view import SamplesView

__all__ = [
    "Chart",
    "ChartGrid",
    "ConsoleView",
    "Drawn",
    "EventList",
    "FailurePanel",
    "FindingsPanel",
    "GpuMeters",
    "HistogramView",
    "HostMeters",
    "LayerDetail",
    "LayerTable",
    "LeverPanel",
    "LookChanged",
    "PlotOpened",
    "RowList",
    "RunHeader",
    "SamplesView",
]
