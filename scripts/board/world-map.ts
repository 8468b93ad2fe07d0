import { FieldColorModeId, FrameGeometrySourceMode } from '@grafana/schema';
import type {
  MapCenterID,
  Options as MapOptions,
  TooltipMode,
} from '@grafana/schema/dist/esm/raw/composable/geomap/panelcfg/x/GeomapPanelCfg_types.gen';
import { type About, fieldOf, PROMETHEUS, type Query, type Tile, targets } from './tile.ts';

/**
 * Circles at the middles of countries, by their ISO 3166 codes of two letters in the label `country`; Grafana knows where
 * each is. https://grafana.com/docs/grafana/latest/visualizations/panels-visualizations/visualizations/geomap/
 */
export function worldMap(about: About, query: Query): Tile {
  const { title, description, unit, w, h = 12 } = about;
  const options: MapOptions = {
    basemap: { type: 'default', name: 'Map', config: {} },
    controls: { mouseWheelZoom: false, showAttribution: true, showDebug: false, showScale: false, showZoom: true },
    layers: [
      {
        type: 'markers',
        name: 'Bans',
        tooltip: true,
        location: {
          mode: FrameGeometrySourceMode.Lookup,
          lookup: 'country',
          gazetteer: 'public/gazetteer/countries.json',
        },
        config: {
          showLegend: false,
          style: {
            color: { field: 'Value', fixed: 'dark-green' },
            opacity: 0.6,
            size: { field: 'Value', fixed: 5, min: 4, max: 24 },
            symbol: { mode: 'fixed', fixed: 'img/icons/marker/circle.svg' },
            text: { mode: 'field', field: 'country', fixed: '' },
            textConfig: { fontSize: 10, offsetX: 0, offsetY: 0, textAlign: 'center', textBaseline: 'middle' },
          },
        },
      },
    ],
    tooltip: { mode: 'details' as TooltipMode },
    view: { id: 'coords' as MapCenterID, lat: 25, lon: 10, zoom: 1.6, allLayers: true },
  };
  return {
    type: 'geomap',
    title,
    description,
    size: { w, h },
    datasource: PROMETHEUS,
    targets: targets([query], 'end', 'table'),
    fieldConfig: { defaults: { ...fieldOf(unit), color: { mode: FieldColorModeId.ContinuousYlRd } }, overrides: [] },
    options: { ...options },
  };
}
