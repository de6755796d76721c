import { render } from "preact";
import { App } from "./app";
import { lightOnPaper } from "./logic/paper";
import { applyTheme } from "./logic/theme";
import "uplot/dist/uPlot.min.css";
import "./style.css";

applyTheme();
lightOnPaper();
render(<App />, document.getElementById("page")!);
