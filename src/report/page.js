// Draws the charts of the JSON element `charts`, each into the element it names. Text goes into the page as text only: labels
// are SVG text, and so are the tooltips (`renderMode: richText`).
'use strict';
(() => {
  const { echarts, feature, geoNaturalEarth1 } = charting;
  // Told apart without colour vision (Okabe and Ito).
  const COLORS = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#56B4E9', '#E69F00', '#000000'];
  const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond', 'roundRect'];
  const DASHES = ['solid', 'dashed', 'dotted'];
  const stripes = { symbol: 'rect', dashArrayX: [1, 0], dashArrayY: [2, 4], rotation: -Math.PI / 4, color: 'rgba(0,0,0,.4)' };
  const dots = { symbol: 'circle', symbolSize: 0.7, dashArrayX: [[5, 5], [0, 5, 5, 0]], dashArrayY: [5, 0], color: 'rgba(0,0,0,.5)' };
  // A level is told by colour, pattern, mark and dash.
  const LEVELS = {
    low: { color: '#56B4E9', decal: 'none', symbol: 'circle', dash: 'dotted' },
    medium: { color: '#E69F00', decal: stripes, symbol: 'triangle', dash: 'dashed' },
    high: { color: '#D55E00', decal: dots, symbol: 'diamond', dash: 'solid' },
  };
  const INK = '#1a1a1a';
  const QUIET = '#555555';
  const GRID = '#dddddd';
  // Inside the margins of a sheet of A4.
  const PRINT_WIDTH_PX = 660;
  const PRINT_HEIGHT_PX = 860;
  const LEGEND_TEXT_PX = 320;
  const cut = (width) => ({ width, overflow: 'truncate', color: INK });

  const frame = (chart) => ({
    animation: false,
    useUTC: true,
    color: COLORS,
    textStyle: { fontFamily: getComputedStyle(document.documentElement).fontFamily, fontSize: 13, color: INK },
    aria: { enabled: true, label: { description: `${chart.title}. ${chart.about}` }, decal: { show: true } },
    tooltip: { renderMode: 'richText', confine: true, trigger: 'item', textStyle: { color: INK, fontSize: 13 } },
    legend: { top: 0, left: 'center', itemGap: 18, textStyle: { color: INK, width: LEGEND_TEXT_PX, overflow: 'truncate' } },
  });

  // Pixels that the longest of the texts takes, about; at most so many.
  const room = (texts, most) => Math.min(most, 7.4 * Math.max(...texts.map((text) => text.length)));

  // Pixels that a legend of these names takes, from the top.
  function legendHeight(names, width) {
    let rows = 1;
    let used = 0;
    for (const name of names) {
      const own = 52 + room([name], LEGEND_TEXT_PX);
      if (used > 0 && used + own > width) {
        rows += 1;
        used = 0;
      }
      used += own;
    }
    return rows * 26 + 14;
  }

  const valueAxis = (name) => ({
    type: 'value', name, minInterval: 1, nameLocation: 'middle', nameGap: 32, nameTextStyle: { color: QUIET },
    axisLabel: { color: INK }, splitLine: { lineStyle: { color: GRID } },
  });

  const narrow = (width) => width < 560;

  function bars(chart, width) {
    const labels = 20 + room(chart.categories, width * 0.38);
    const category = {
      type: 'category', data: chart.categories, axisTick: { alignWithLabel: true },
      axisLabel: chart.lying ? cut(labels - 15) : { color: INK, hideOverlap: true },
    };
    if (chart.lying) Object.assign(category, { inverse: true });
    const value = valueAxis(chart.unit);
    const totals = chart.categories.map((_, at) => chart.series.reduce((sum, series) => sum + series.values[at], 0));
    const label = (isLast) => ({
      show: chart.lying && (isLast || !chart.stacked), position: 'right', color: INK,
      formatter: ({ dataIndex, value: own }) => String(chart.stacked ? totals[dataIndex] : own),
    });
    const series = chart.series.map((series, at) => ({
      type: 'bar', name: series.name, data: series.values, stack: chart.stacked ? 'all' : undefined, barMaxWidth: 26,
      itemStyle: LEVELS[series.name] && { color: LEVELS[series.name].color, decal: LEVELS[series.name].decal },
      label: label(at === chart.series.length - 1),
    }));
    const top = chart.series.length > 1 ? legendHeight(chart.series.map(({ name }) => name), width) : 16;
    return {
      height: chart.lying ? top + 60 + chart.categories.length * (chart.stacked ? 30 : 14 + 16 * chart.series.length) : 280 + top,
      option: {
        legend: { show: chart.series.length > 1 },
        tooltip: { trigger: 'axis', axisPointer: { type: 'shadow' } },
        grid: { left: chart.lying ? labels : 60, right: chart.lying ? 50 : 20, top, bottom: chart.lying ? 50 : 36 },
        xAxis: chart.lying ? value : category,
        yAxis: chart.lying ? category : { ...value, nameGap: 42 },
        series,
      },
    };
  }

  const POINTS_NAMED_MAX = 30;

  function lines(chart, width) {
    const axis = ({ name, isLogarithmic, max }, nameGap) => ({
      ...valueAxis(name), nameGap, minInterval: 0, type: isLogarithmic ? 'log' : 'value', max: max === null ? undefined : max,
      scale: false,
    });
    const series = chart.series.map((series, at) => ({
      type: series.joined ? 'line' : 'scatter', name: series.name, symbol: SYMBOLS[at % SYMBOLS.length], symbolSize: 9,
      showSymbol: true, lineStyle: { width: 2, type: DASHES[at % DASHES.length] },
      data: series.points.map((value, place) => ({ value, name: series.names[place] || series.name })),
      // The first word is enough to find it in the table.
      label: { show: series.names.length > 0 && series.names.length <= POINTS_NAMED_MAX, position: 'bottom', color: INK, formatter: ({ name }) => name.split(' ')[0] },
      labelLayout: { hideOverlap: true },
    }));
    const top = chart.series.length > 1 ? legendHeight(chart.series.map(({ name }) => name), width) : 20;
    return {
      height: 380 + top,
      option: {
        aria: { decal: { show: false } },
        legend: { show: chart.series.length > 1 },
        tooltip: { formatter: ({ seriesName, name, value }) => `${seriesName}${name === seriesName ? '' : ` ${name}`}\n${chart.x.name}: ${value[0]}\n${chart.y.name}: ${value[1]}` },
        grid: { left: 70, right: 30, top, bottom: 56 },
        xAxis: axis(chart.x, 34),
        yAxis: axis(chart.y, 48),
        series,
      },
    };
  }

  function heat(chart, width) {
    const most = Math.max(1, ...chart.counts.flat());
    const cells = chart.counts.flatMap((row, y) => row.map((count, x) => ({
      value: [x, y, count], label: { show: count > 0 && !narrow(width), color: count > most * 0.55 ? '#ffffff' : INK },
    })));
    const category = (data) => ({ type: 'category', data, axisLabel: { color: INK }, splitArea: { show: false }, axisTick: { show: false } });
    return {
      height: 360,
      option: {
        legend: { show: false },
        aria: { decal: { show: false } },
        tooltip: { formatter: ({ value }) => `${chart.rows[value[1]]} ${chart.columns[value[0]]}: ${value[2]} ${chart.unit}` },
        grid: { left: 90, right: 10, top: 10, bottom: 80 },
        xAxis: category(chart.columns),
        yAxis: { ...category(chart.rows), inverse: true },
        visualMap: {
          min: 0, max: most, calculable: false, orient: 'horizontal', left: 'center', bottom: 0, itemHeight: 180,
          text: [`${most} ${chart.unit}`, '0'], inRange: { color: ['#f7fbff', '#c6dbef', '#6baed6', '#2171b5', '#08306b'] },
        },
        series: [{ type: 'heatmap', data: cells, itemStyle: { borderColor: '#ffffff', borderWidth: 1 } }],
      },
    };
  }

  function map(chart, width) {
    if (!echarts.getMap('world')) {
      const world = JSON.parse(document.getElementById('world').textContent);
      const countries = feature(world, world.objects.countries);
      // Nobody signs in from there, and it would take a fifth of the map.
      countries.features = countries.features.filter(({ properties }) => properties.name !== 'Antarctica');
      echarts.registerMap('world', { geoJSON: countries });
    }
    const projection = geoNaturalEarth1();
    const most = Math.max(1, ...chart.places.map(({ detections }) => detections));
    // The legend takes its marks from the first series of a name; arrowheads lie on the places they point at.
    const series = Object.entries(LEVELS).flatMap(([name, level]) => [
      {
        type: 'scatter', name, coordinateSystem: 'geo', symbol: level.symbol, z: 4,
        symbolSize: (_, { data }) => 8 + 14 * Math.sqrt(data.detections / most),
        itemStyle: { color: level.color, borderColor: INK, borderWidth: 1, opacity: 0.85 },
        data: chart.places.filter((place) => place.level === name)
          .map((place) => ({ name: place.name, value: place.at, detections: place.detections })),
      },
      {
        type: 'lines', name, coordinateSystem: 'geo', symbol: ['none', 'arrow'], symbolSize: 9, z: 5,
        lineStyle: { color: level.color, type: level.dash, width: 2, opacity: 0.9, curveness: 0.2 },
        data: chart.journeys.filter((journey) => journey.level === name)
          .map((journey) => ({ name: journey.name, coords: [journey.from, journey.to], detections: journey.detections })),
      },
    ]);
    return {
      height: Math.round(width * 0.5) + 30,
      option: {
        aria: { decal: { show: false } },
        legend: { data: Object.keys(LEVELS) },
        tooltip: { formatter: ({ name, data, seriesName }) => `${name}\n${data.detections} detections, highest level ${seriesName}` },
        geo: {
          map: 'world', roam: false, silent: true, left: 0, right: 0, top: 30, bottom: 0,
          projection: { project: (at) => projection(at), unproject: (at) => projection.invert(at), stream: projection.stream },
          itemStyle: { areaColor: '#e9edf0', borderColor: '#aab4ba', borderWidth: 0.7 },
        },
        series,
      },
    };
  }

  function timeline(chart, width) {
    const labels = 20 + room(chart.rows, width * 0.38);
    const series = Object.entries(LEVELS).map(([name, level]) => ({
      type: 'scatter', name, symbol: level.symbol, symbolSize: 13,
      itemStyle: { color: level.color, borderColor: INK, borderWidth: 1, opacity: 0.85 },
      data: chart.events.filter((event) => event.level === name)
        .map((event) => ({ name: event.what, value: [event.time, event.row] })),
    }));
    const margin = (length) => Math.max(length * 0.02, 3_600_000);
    const time = (value) => String(value).slice(0, 16).replace('T', ' ');
    return {
      height: 100 + chart.rows.length * 28,
      option: {
        aria: { decal: { show: false } },
        tooltip: { formatter: ({ name, value, seriesName }) => `${chart.rows[value[1]]}\n${time(value[0])} ${name}, ${seriesName}` },
        grid: { left: labels, right: 30, top: 40, bottom: 40 },
        // Marks of the first and the last event stay clear of the edges.
        xAxis: {
          type: 'time', min: ({ min, max }) => min - margin(max - min), max: ({ min, max }) => max + margin(max - min),
          axisLabel: { color: INK, hideOverlap: true, formatter: '{yyyy}-{MM}-{dd}' }, splitLine: { show: true, lineStyle: { color: GRID } },
        },
        yAxis: { type: 'category', data: chart.rows, inverse: true, axisLabel: cut(labels - 15), splitLine: { show: true, lineStyle: { color: GRID } } },
        series,
      },
    };
  }

  const KINDS = { bars, lines, heat, map, timeline };

  // Options of a kind over those of all, one level deep.
  function merged(common, own) {
    const option = { ...common };
    for (const [key, value] of Object.entries(own)) {
      const isPart = !Array.isArray(value) && typeof value === 'object' && key in common;
      option[key] = isPart ? { ...common[key], ...value } : value;
    }
    return option;
  }

  function draw(drawn, width, most = Infinity) {
    const { height: wanted, option } = KINDS[drawn.chart.kind](drawn.chart, width);
    const height = Math.min(wanted, most);
    drawn.element.style.height = `${height}px`;
    drawn.instance.resize({ width, height });
    drawn.instance.setOption(merged(frame(drawn.chart), option), { notMerge: true });
    drawn.width = width;
  }

  const all = JSON.parse(document.getElementById('charts').textContent).map((chart) => {
    const element = document.getElementById(chart.id);
    return { chart, element, instance: echarts.init(element, null, { renderer: 'svg', width: 1, height: 1 }), width: 0 };
  });
  const fit = () => all.forEach((drawn) => {
    const width = drawn.element.clientWidth;
    if (width > 0 && width !== drawn.width) draw(drawn, width);
  });
  fit();
  addEventListener('resize', fit);
  addEventListener('beforeprint', () => all.forEach((drawn) => draw(drawn, PRINT_WIDTH_PX, PRINT_HEIGHT_PX)));
  addEventListener('afterprint', fit);
})();
