// The parts of the libraries that src/report/page.js draws with; bundled by scripts/report-assets.sh.
import * as echarts from 'echarts/core';
import { BarChart, HeatmapChart, LineChart, LinesChart, ScatterChart } from 'echarts/charts';
import {
  AriaComponent, GeoComponent, GridComponent, LegendComponent, TooltipComponent, VisualMapComponent,
} from 'echarts/components';
import { LabelLayout } from 'echarts/features';
import { SVGRenderer } from 'echarts/renderers';
import { geoNaturalEarth1 } from 'd3-geo';
import { feature } from 'topojson-client';

echarts.use([
  AriaComponent, BarChart, GeoComponent, GridComponent, HeatmapChart, LabelLayout, LegendComponent, LineChart, LinesChart,
  ScatterChart, SVGRenderer, TooltipComponent, VisualMapComponent,
]);

export { echarts, feature, geoNaturalEarth1 };
