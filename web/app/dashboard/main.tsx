import { render } from "preact";
import "../shared/style.css";
import "./dashboard.css";
import { Dashboard } from "./dashboard.js";

render(<Dashboard />, document.getElementById("app")!);
