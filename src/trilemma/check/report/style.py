"""The looks of the page: light and dark, narrow and printed, and the few lines of script that zoom.

What is wider than the window scrolls by itself, and a shade at its edge says that there is more.
Colours after Okabe and Ito, "Color Universal Design", 2008: told apart by every kind of eye, and always with a shape.
"""

from typing import Final

CSS: Final = """
:root{color-scheme:light dark;--left:84px;--page:#fff;--ink:#1b1f24;--soft:#59636e;--line:#d5dae0;--box:#f5f7f9;
--ok:#0072b2;--fail:#c77800;--info:#a8437f;--bad:#c23b12;--good:#00755a;--fault:#e6d9a8;--fault-ink:#6b5600;--hand:#fff;--shade:#0000003d}
@media (prefers-color-scheme:dark){:root{--page:#15181c;--ink:#e4e8ec;--soft:#9aa4af;--line:#343b43;--box:#1d2126;
--ok:#56b4e9;--fail:#f0a93b;--info:#dd8ebc;--bad:#ff7f5c;--good:#3fc79d;--fault:#4b4320;--fault-ink:#d9c778;--hand:#10161c;--shade:#000000b3}}
*{box-sizing:border-box}
body{margin:0 auto;padding:24px 20px 60px;max-width:1180px;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;overflow-wrap:break-word}
h1{font-size:1.55rem;margin:0 0 .2rem}
h2{font-size:1.2rem;margin:2.2rem 0 .6rem;padding-bottom:.25rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1.4rem 0 .4rem}
p{margin:.4rem 0}
.facts,.note{color:var(--soft);font-size:.9rem}
.banner{display:flex;gap:14px;align-items:center;margin:16px 0;padding:12px 16px;border-radius:8px;
background:var(--box);border-left:6px solid var(--soft);font-size:1.05rem}
.banner b{font-size:1.6rem;line-height:1}
.banner.valid{border-color:var(--good)}.banner.invalid{border-color:var(--bad)}.banner.unknown{border-color:var(--fail)}
.valid b,.mark.valid{color:var(--good)}.invalid b,.mark.invalid{color:var(--bad)}
.unknown b,.mark.unknown{color:var(--fail)}
.mark{font-weight:600;white-space:nowrap}
.scroll{overflow-x:auto;margin:.5rem 0;background:
linear-gradient(90deg,var(--page) 30%,transparent) 0 0/40px 100% no-repeat local,
linear-gradient(270deg,var(--page) 30%,transparent) 100% 0/40px 100% no-repeat local,
linear-gradient(90deg,var(--shade),transparent) 0 0/12px 100% no-repeat scroll,
linear-gradient(270deg,var(--shade),transparent) 100% 0/12px 100% no-repeat scroll}
table{border-collapse:collapse;font-size:.88rem;min-width:50%}
td.short{white-space:nowrap}
caption{text-align:left;color:var(--soft);padding-bottom:4px}
th,td{text-align:left;vertical-align:top;padding:4px 14px 4px 0;border-bottom:1px solid var(--line)}
th{font-weight:600;white-space:nowrap}
td{font-variant-numeric:tabular-nums;max-width:44rem}
code{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:.85em}
.letter{display:inline-block;width:1.5em;text-align:center;margin-right:.5em;border-radius:4px;background:var(--ink);
color:var(--page);font-weight:700}
.key{display:flex;flex-wrap:wrap;gap:2px 18px;font-size:.82rem;color:var(--soft);margin:.3rem 0}
.key svg{vertical-align:-2px;margin-right:3px}
.symbols{position:absolute}
.lanes{display:flex}
.labels{flex:none;width:var(--left);padding-top:16px;font-size:11px;color:var(--soft)}
.labels span{display:block;height:18px;line-height:18px;overflow:hidden;white-space:nowrap;text-overflow:ellipsis}
.plot{display:grid;grid-template-columns:var(--left) minmax(0,1fr)}
.plot>.key,.plot>.note{grid-column:1/-1}
.zoom{flex:1;min-width:0;overflow-x:auto;overflow-y:hidden}
.drawing{display:block}
.zoomers{display:none;gap:6px;align-items:center;font-size:.82rem;color:var(--soft)}
.zoomers button{font:inherit;color:var(--ink);background:var(--box);border:1px solid var(--line);border-radius:5px;
padding:1px 10px;cursor:pointer}
svg text{font-size:11px;fill:var(--soft);font-family:inherit}
svg .grid{stroke:var(--line);stroke-width:1}
svg .fault{fill:var(--fault);fill-opacity:.75}
svg .name{fill:var(--fault-ink);font-weight:600}
svg .ok rect,svg rect.ok{fill:var(--ok);stroke:var(--ok);stroke-width:1}
svg .fail rect,svg rect.fail{fill:var(--page);stroke:var(--fail);stroke-width:1.4}
svg .info rect,svg rect.info{fill:var(--page);fill-opacity:.5;stroke:var(--info);stroke-width:1.4;stroke-dasharray:4 2}
.cross{stroke:var(--fail);stroke-width:2;fill:none}
.triangle{fill:var(--info)}
.diamond{fill:var(--page);stroke:var(--bad);stroke-width:1.3}
svg .witness rect,svg rect.witness{stroke:var(--bad);stroke-width:3}
svg .median,svg .high,svg .point{fill:none;vector-effect:non-scaling-stroke;stroke-linejoin:round;stroke-linecap:round}
svg .median{stroke:var(--ok);stroke-width:2.4}
svg .high{stroke:var(--info);stroke-width:1.6;stroke-dasharray:5 3}
svg .point{stroke:var(--ink);stroke-width:3;stroke-opacity:.3}
svg .answered{fill:var(--ok);fill-opacity:.55}
svg .refused{fill:url(#hatch);stroke:var(--fail)}
svg .unknown{fill:url(#dots);stroke:var(--info)}
svg .hatch{stroke:var(--fail);stroke-width:2}
svg .dot{fill:var(--info)}
.witness-box{margin:.6rem 0 1.2rem;padding:10px 14px;border:1px solid var(--line);border-radius:8px}
.witness-drawing{display:block;width:100%;min-width:620px;max-width:980px}
.witness-drawing .lane{fill:var(--ink)}
.witness-drawing .inside{fill:var(--hand);font-weight:600}
.witness-drawing .inside.hollow{fill:var(--ink)}
.witness-drawing .outside{fill:var(--ink);font-weight:700;paint-order:stroke;stroke:var(--page);stroke-width:3}
svg .arrow{fill:none;stroke:var(--soft);stroke-width:1.3;color:var(--soft)}
svg .arrow.over{stroke-dasharray:5 3}
svg .arrow.ring{stroke:var(--bad);stroke-width:2}
svg .head{fill:context-stroke}
svg circle.number{fill:var(--bad)}
svg text.number{fill:var(--page);font-weight:700;text-anchor:middle}
.reasons{margin:.2rem 0 .8rem;padding-left:1.6rem}
@media (max-width:640px){body{padding:14px 10px 40px;font-size:14px}:root{--left:64px}
th,td{padding-right:10px}td:not(.short){min-width:6.5rem}.witness-box{padding:8px}}
@media print{:root{color-scheme:light;--page:#fff;--ink:#000;--soft:#444;--line:#bbb;--box:#fff;--ok:#0072b2;
--fail:#c77800;--info:#a8437f;--bad:#c23b12;--good:#00755a;--fault:#eee2b4;--fault-ink:#6b5600;--hand:#fff}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}body{max-width:none;padding:0;font-size:11px}
.zoomers{display:none!important}.scroll,.zoom{overflow:visible;background:none}.witness-box,.plot,tr{break-inside:avoid}
h2,h3{break-after:avoid}}
"""

SCRIPT: Final = """
for (const box of document.querySelectorAll(".zoomers")) {
  box.style.display = "flex";
  for (const button of box.querySelectorAll("button"))
    button.addEventListener("click", () => {
      for (const drawing of box.parentElement.querySelectorAll(".drawing")) {
        const place = drawing.parentElement, middle = (place.scrollLeft + place.clientWidth / 2) / place.scrollWidth;
        drawing.style.width = button.value + "%";
        place.scrollLeft = middle * place.scrollWidth - place.clientWidth / 2;
      }
    });
}
"""
"""Shows the zoom buttons and makes them work; without it the page says the same."""
