<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="zh">
  <context>
    <name>RosSam</name>
    <message>
      <source>, needs PyTorch: set up anew</source>
      <translation>，需要 PyTorch：请重新安装</translation>
    </message>
    <message>
      <source>, only {version}</source>
      <translation>，只有 {version}</translation>
    </message>
    <message>
      <source>A Python of mine that has ros-sam[engine]</source>
      <translation>我自己的 Python（已安装 ros-sam[engine]）</translation>
    </message>
    <message>
      <source>A Shapefile holds {length} characters of a text; longer ones were cut ({counts}).</source>
      <translation>Shapefile 的文本最多 {length} 个字符；更长的文本已被截断（{counts}）。</translation>
    </message>
    <message>
      <source>A georeferenced raster of the video's size</source>
      <translation>与视频尺寸相同、具有地理参考的栅格</translation>
    </message>
    <message>
      <source>A kept object on {layer} has no outline and is at hand again: {why}</source>
      <translation>{layer} 上一个已保留的对象没有轮廓，已重新成为当前对象：{why}</translation>
    </message>
    <message>
      <source>A kept object on {layer} has no outline; with none at hand, undo calls it back: {why}</source>
      <translation>{layer} 上一个已保留的对象没有轮廓；当前没有对象时，撤销可将其召回：{why}</translation>
    </message>
    <message>
      <source>A model of mine</source>
      <translation>我的模型</translation>
    </message>
    <message>
      <source>Address</source>
      <translation>地址</translation>
    </message>
    <message>
      <source>All models on an NVIDIA GPU, with PyTorch (about {size} MB)</source>
      <translation>在 NVIDIA GPU 上运行所有模型，含 PyTorch（约 {size} MB）</translation>
    </message>
    <message>
      <source>All models on the CPU, with PyTorch (about {size} MB)</source>
      <translation>在 CPU 上运行所有模型，含 PyTorch（约 {size} MB）</translation>
    </message>
    <message>
      <source>Area</source>
      <translation>区域</translation>
    </message>
    <message>
      <source>Bands and stretch of {layer}</source>
      <translation>{layer} 的波段和拉伸</translation>
    </message>
    <message>
      <source>Bands and stretch that the model sees</source>
      <translation>模型所用的波段和拉伸</translation>
    </message>
    <message>
      <source>Bands {bands} are not numbers with commas between them.</source>
      <translation>波段 {bands} 不是以逗号分隔的数字。</translation>
    </message>
    <message>
      <source>Bands, such as 3,2,1 (as styled if empty)</source>
      <translation>波段，例如 3,2,1（留空则按图层样式）</translation>
    </message>
    <message>
      <source>Begin afresh (repair)</source>
      <translation>重新开始（修复）</translation>
    </message>
    <message>
      <source>Blue</source>
      <translation>蓝</translation>
    </message>
    <message>
      <source>Box</source>
      <translation>框</translation>
    </message>
    <message>
      <source>Boxes</source>
      <translation>框</translation>
    </message>
    <message>
      <source>Cancel</source>
      <translation>取消</translation>
    </message>
    <message>
      <source>Cancel set-up</source>
      <translation>取消安装</translation>
    </message>
    <message>
      <source>Cancelled.</source>
      <translation>已取消。</translation>
    </message>
    <message>
      <source>Cancelled. What was fetched is kept; download again to go on.</source>
      <translation>已取消。已下载的内容会保留；再次下载即可继续。</translation>
    </message>
    <message>
      <source>Cancelled. What was fetched is kept; set up again to go on.</source>
      <translation>已取消。已下载的内容会保留；再次安装即可继续。</translation>
    </message>
    <message>
      <source>Cancelled; what was outlined is in the result.</source>
      <translation>已取消；已提取的轮廓在结果中。</translation>
    </message>
    <message>
      <source>Choose a raster layer first.</source>
      <translation>请先选择一个栅格图层。</translation>
    </message>
    <message>
      <source>Class</source>
      <translation>类别</translation>
    </message>
    <message>
      <source>Class of what is kept next; keys 1 to 9 choose from the list</source>
      <translation>下一个保留目标的类别；按键 1 至 9 从列表中选择</translation>
    </message>
    <message>
      <source>Classes, one a line; keys 1 to 9 choose the first nine</source>
      <translation>类别，每行一个；按键 1 至 9 选择前九个</translation>
    </message>
    <message>
      <source>Clear</source>
      <translation>清除</translation>
    </message>
    <message>
      <source>Click an object, or drag a box around it.</source>
      <translation>单击一个目标，或拖动鼠标框选它。</translation>
    </message>
    <message>
      <source>Clicks and boxes add up to one object; Enter keeps it</source>
      <translation>多次单击和框选属于同一目标；按回车保留</translation>
    </message>
    <message>
      <source>Copy for a bug report</source>
      <translation>复制以用于错误报告</translation>
    </message>
    <message>
      <source>Correcting a kept object.</source>
      <translation>正在修改已保留的目标。</translation>
    </message>
    <message>
      <source>Device of an engine on this machine</source>
      <translation>本机引擎使用的设备</translation>
    </message>
    <message>
      <source>Diagnostics</source>
      <translation>诊断</translation>
    </message>
    <message>
      <source>Do it again (Ctrl+Y)</source>
      <translation>重做（Ctrl+Y）</translation>
    </message>
    <message>
      <source>Download</source>
      <translation>下载</translation>
    </message>
    <message>
      <source>Drop the object at hand (Esc)</source>
      <translation>放弃当前目标（Esc）</translation>
    </message>
    <message>
      <source>Each click is an object; the next click keeps it</source>
      <translation>每次单击为一个目标；下一次单击时保留它</translation>
    </message>
    <message>
      <source>Engine</source>
      <translation>引擎</translation>
    </message>
    <message>
      <source>Engine not available</source>
      <translation>引擎不可用</translation>
    </message>
    <message>
      <source>Engine off</source>
      <translation>引擎未运行</translation>
    </message>
    <message>
      <source>Engine restarting…</source>
      <translation>引擎重新启动中…</translation>
    </message>
    <message>
      <source>Engine starting…</source>
      <translation>引擎启动中…</translation>
    </message>
    <message>
      <source>Expand (px)</source>
      <translation>扩展（像素）</translation>
    </message>
    <message>
      <source>Expand, or shrink below zero (px)</source>
      <translation>扩展，负值为收缩（像素）</translation>
    </message>
    <message>
      <source>Expected IoU {score:.2f}, {area:,.1f} {unit}</source>
      <translation>预计 IoU {score:.2f}，{area:,.1f} {unit}</translation>
    </message>
    <message>
      <source>Export kept objects</source>
      <translation>导出保留的目标</translation>
    </message>
    <message>
      <source>Exported to {path}.</source>
      <translation>已导出到 {path}。</translation>
    </message>
    <message>
      <source>Export…</source>
      <translation>导出…</translation>
    </message>
    <message>
      <source>Field of the label (0 is beside the object)</source>
      <translation>标签字段（0 表示目标之外）</translation>
    </message>
    <message>
      <source>Field of the object</source>
      <translation>目标字段</translation>
    </message>
    <message>
      <source>Field with the class</source>
      <translation>类别字段</translation>
    </message>
    <message>
      <source>File: many pages, or a video</source>
      <translation>文件：多页影像或视频</translation>
    </message>
    <message>
      <source>Fill holes</source>
      <translation>填充孔洞</translation>
    </message>
    <message>
      <source>Find all objects</source>
      <translation>查找所有目标</translation>
    </message>
    <message>
      <source>Finds and outlines the objects of an image, with no prompts, of any class.

Area: polygons in any CRS; only objects in them are found. Without it the whole image is searched, which takes a while: half a minute a million pixels on one processor core.

Shortest and longest length: of the objects looked for, in metres (pixels where the image has no CRS); 0 is 24 and 400 pixels. They decide how long it takes: half the shortest length takes four times as long.

Least score: outlines that the model expects to be worse are left out; lower it to find more, raise it to find fewer and surer ones.

The result has a polygon for each object, in the CRS of the image, with its expected IoU (score), area and perimeter on the ground, and where it comes from.</source>
      <translation>在没有提示的情况下查找并提取影像中的目标，不区分类别。

区域：任意坐标参照系的多边形；只查找其中的目标。不指定时搜索整幅影像，耗时较长：在一个处理器核心上，每一百万像素约半分钟。

最小和最大长度：要查找的目标的长度，单位为米（影像没有坐标参照系时为像素）；0 表示 24 和 400 像素。它们决定耗时：最小长度减半，耗时为四倍。

最低评分：模型预计质量更差的轮廓会被舍弃；降低它可找到更多目标，提高它则更少但更可靠。

结果中，每个目标对应一个多边形，采用影像的坐标参照系，并带有预计 IoU（score）、地面面积和周长以及来源。</translation>
    </message>
    <message>
      <source>First frame taken at (UTC)</source>
      <translation>第一帧的时间（UTC）</translation>
    </message>
    <message>
      <source>Folder of images</source>
      <translation>影像文件夹</translation>
    </message>
    <message>
      <source>For</source>
      <translation>用途</translation>
    </message>
    <message>
      <source>Frames</source>
      <translation>帧</translation>
    </message>
    <message>
      <source>GDAL cannot open it</source>
      <translation>GDAL 无法打开它</translation>
    </message>
    <message>
      <source>GeoJSON holds longitudes and latitudes; this layer has no CRS.</source>
      <translation>GeoJSON 存储经纬度；此图层没有坐标参照系。</translation>
    </message>
    <message>
      <source>GeoPackage beside the project</source>
      <translation>工程旁的 GeoPackage</translation>
    </message>
    <message>
      <source>Georeference</source>
      <translation>地理参考</translation>
    </message>
    <message>
      <source>Georeference of a video file</source>
      <translation>视频文件的地理参考</translation>
    </message>
    <message>
      <source>Give a folder or a file, and not both.</source>
      <translation>请指定文件夹或文件，不能同时指定两者。</translation>
    </message>
    <message>
      <source>Green</source>
      <translation>绿</translation>
    </message>
    <message>
      <source>How far it grows; below zero it shrinks</source>
      <translation>向外扩展的距离；负值表示收缩</translation>
    </message>
    <message>
      <source>How far the outline may move to lose vertices</source>
      <translation>为减少节点，轮廓允许移动的距离</translation>
    </message>
    <message>
      <source>How much its corners are rounded</source>
      <translation>拐角的平滑程度</translation>
    </message>
    <message>
      <source>Image</source>
      <translation>影像</translation>
    </message>
    <message>
      <source>Image with the objects: any raster layer</source>
      <translation>含有目标的影像：任意栅格图层</translation>
    </message>
    <message>
      <source>Import a satellite video as frames</source>
      <translation>将卫星视频导入为逐帧影像</translation>
    </message>
    <message>
      <source>Install PyTorch</source>
      <translation>安装 PyTorch</translation>
    </message>
    <message>
      <source>Install the engine</source>
      <translation>安装引擎</translation>
    </message>
    <message>
      <source>Interpreter</source>
      <translation>解释器</translation>
    </message>
    <message>
      <source>Keep</source>
      <translation>保留</translation>
    </message>
    <message>
      <source>Keep the object (Enter)</source>
      <translation>保留目标（回车）</translation>
    </message>
    <message>
      <source>Kept in the layer {layer}: {count}.</source>
      <translation>图层“{layer}”中已保留：{count}。</translation>
    </message>
    <message>
      <source>Layer</source>
      <translation>图层</translation>
    </message>
    <message>
      <source>Layer group of this project</source>
      <translation>本工程中的图层组</translation>
    </message>
    <message>
      <source>Least score</source>
      <translation>最低评分</translation>
    </message>
    <message>
      <source>Least stability</source>
      <translation>最低稳定性</translation>
    </message>
    <message>
      <source>Licence</source>
      <translation>许可</translation>
    </message>
    <message>
      <source>Load as temporal layers</source>
      <translation>作为时态图层加载</translation>
    </message>
    <message>
      <source>Longest length (m)</source>
      <translation>最大长度（米）</translation>
    </message>
    <message>
      <source>Looking for a Python that will do…</source>
      <translation>正在查找可用的 Python…</translation>
    </message>
    <message>
      <source>Make the environment</source>
      <translation>创建环境</translation>
    </message>
    <message>
      <source>Model</source>
      <translation>模型</translation>
    </message>
    <message>
      <source>Model (name or file)</source>
      <translation>模型（名称或文件）</translation>
    </message>
    <message>
      <source>Model loading…</source>
      <translation>模型加载中…</translation>
    </message>
    <message>
      <source>Model that outlines; the settings offer more</source>
      <translation>用于勾画轮廓的模型；更多模型见设置</translation>
    </message>
    <message>
      <source>Model weights</source>
      <translation>模型权重</translation>
    </message>
    <message>
      <source>Models</source>
      <translation>模型</translation>
    </message>
    <message>
      <source>Models are listed when the engine runs.</source>
      <translation>引擎运行时会列出模型。</translation>
    </message>
    <message>
      <source>Next frame (key . on the map)</source>
      <translation>下一帧（在地图上按 . 键）</translation>
    </message>
    <message>
      <source>No Python 3.11 or later was found{but}. Install one (python.org), or name it above.</source>
      <translation>未找到 Python 3.11 或更高版本{but}。请安装（python.org），或在上方指定。</translation>
    </message>
    <message>
      <source>No engine answers at {address}: {why}</source>
      <translation>{address} 处没有引擎应答：{why}</translation>
    </message>
    <message>
      <source>No object is seen there; add a click, or draw a box around it.</source>
      <translation>此处未发现目标；请再点击一次，或在其周围画框。</translation>
    </message>
    <message>
      <source>No outline yet: click on the object.</source>
      <translation>尚无轮廓：请单击目标。</translation>
    </message>
    <message>
      <source>Nothing is left of this object; allow smaller parts, or shrink it less.</source>
      <translation>该目标已没有剩余部分；请允许更小的部分，或减少收缩。</translation>
    </message>
    <message>
      <source>Number of frames</source>
      <translation>帧数</translation>
    </message>
    <message>
      <source>Number of objects</source>
      <translation>目标数</translation>
    </message>
    <message>
      <source>Object {id} is no longer in {layer}.</source>
      <translation>目标 {id} 已不在 {layer} 中。</translation>
    </message>
    <message>
      <source>Objects</source>
      <translation>目标</translation>
    </message>
    <message>
      <source>Objects of {layer}</source>
      <translation>{layer} 的目标</translation>
    </message>
    <message>
      <source>Objects show at their time only</source>
      <translation>目标仅在其所在时刻显示</translation>
    </message>
    <message>
      <source>On another machine</source>
      <translation>在另一台计算机上</translation>
    </message>
    <message>
      <source>Open</source>
      <translation>打开</translation>
    </message>
    <message>
      <source>Open a satellite video</source>
      <translation>打开卫星视频</translation>
    </message>
    <message>
      <source>Open a satellite video as frames</source>
      <translation>将卫星视频作为逐帧影像打开</translation>
    </message>
    <message>
      <source>Open video…</source>
      <translation>打开视频…</translation>
    </message>
    <message>
      <source>Opening the video…</source>
      <translation>正在打开视频…</translation>
    </message>
    <message>
      <source>Outline</source>
      <translation>提取轮廓</translation>
    </message>
    <message>
      <source>Outlines</source>
      <translation>轮廓</translation>
    </message>
    <message>
      <source>Outlines the object in each box.

Boxes: features of any kind; the bounds of each are a box around one object, in any CRS. Draw them with a little room, one object a box.

The result has a polygon for each box that gave one, in the CRS of the image, with its expected IoU (score), area and perimeter on the ground, and where it comes from. Boxes that give none are named in the log.

Bands and stretch are those of the layer's style unless given. Pixels are read as they are in the file, whatever the project's CRS.</source>
      <translation>提取每个框内目标的轮廓。

框：任意类型的要素；每个要素的外接矩形即为一个目标的框，可为任意坐标参照系。画框时略留余量，每个框一个目标。

结果中，每个得到轮廓的框对应一个多边形，采用影像的坐标参照系，并带有预计 IoU（score）、地面面积和周长以及来源。未得到轮廓的框会在日志中列出。

除非另行指定，波段和拉伸与图层样式相同。无论工程采用何种坐标参照系，像素均按文件中的原值读取。</translation>
    </message>
    <message>
      <source>Outlines the object under each point.

Points: clicks, in any CRS. Without further fields each point is an object of its own.

Field of the object: points with the same value belong to one object; one without a value is an object of its own.

Field of the label: 0 marks points beside the object, every other value points on it.

The result has a polygon for each object that gave one, in the CRS of the image, with its expected IoU (score), area and perimeter on the ground, and where it comes from. Objects that give none are named in the log.</source>
      <translation>提取每个点处目标的轮廓。

点：相当于鼠标单击，可为任意坐标参照系。若不指定其他字段，每个点为一个独立的目标。

目标字段：值相同的点属于同一目标；没有值的点为一个独立的目标。

标签字段：0 表示目标之外的点，其他值表示目标上的点。

结果中，每个得到轮廓的目标对应一个多边形，采用影像的坐标参照系，并带有预计 IoU（score）、地面面积和周长以及来源。未得到轮廓的目标会在日志中列出。</translation>
    </message>
    <message>
      <source>Outlining…</source>
      <translation>正在提取轮廓…</translation>
    </message>
    <message>
      <source>Output</source>
      <translation>输出</translation>
    </message>
    <message>
      <source>Overlap of outlines of one object (IoU)</source>
      <translation>同一目标轮廓的重叠度（IoU）</translation>
    </message>
    <message>
      <source>Percentiles (2-98), none, or the values that become black and white, min,max</source>
      <translation>百分位数（2-98）、none（不拉伸），或对应黑色和白色的值 min,max</translation>
    </message>
    <message>
      <source>Points</source>
      <translation>点</translation>
    </message>
    <message>
      <source>Points along the side of a crop (0: as the model likes)</source>
      <translation>裁剪块每边的点数（0：由模型决定）</translation>
    </message>
    <message>
      <source>Previous frame (key , on the map)</source>
      <translation>上一帧（在地图上按 , 键）</translation>
    </message>
    <message>
      <source>Python (3.11 or later)</source>
      <translation>Python（3.11 或更高版本）</translation>
    </message>
    <message>
      <source>QGIS cannot draw {layer}: {why}</source>
      <translation>QGIS 无法绘制 {layer}：{why}</translation>
    </message>
    <message>
      <source>QGIS draws nothing of {layer} here: it does not reach here, or its server does not answer.</source>
      <translation>QGIS 在此处未绘制出 {layer} 的任何内容：图层未覆盖此处，或其服务器没有响应。</translation>
    </message>
    <message>
      <source>QGIS's authentication store did not take the token.</source>
      <translation>QGIS 的身份验证存储未能保存令牌。</translation>
    </message>
    <message>
      <source>Quick</source>
      <translation>快速</translation>
    </message>
    <message>
      <source>ROS-SAM</source>
      <translation>ROS-SAM</translation>
    </message>
    <message>
      <source>ROS-SAM engine</source>
      <translation>ROS-SAM 引擎</translation>
    </message>
    <message>
      <source>ROS-SAM: look for Python</source>
      <translation>ROS-SAM：查找 Python</translation>
    </message>
    <message>
      <source>ROS-SAM: measure contrast</source>
      <translation>ROS-SAM：计算对比度</translation>
    </message>
    <message>
      <source>ROS-SAM: open video</source>
      <translation>ROS-SAM：打开视频</translation>
    </message>
    <message>
      <source>ROS-SAM: outline objects</source>
      <translation>ROS-SAM：提取目标轮廓</translation>
    </message>
    <message>
      <source>ROS-SAM: prepare the output</source>
      <translation>ROS-SAM：准备输出</translation>
    </message>
    <message>
      <source>ROS-SAM: read pixels</source>
      <translation>ROS-SAM：读取像素</translation>
    </message>
    <message>
      <source>Ready</source>
      <translation>就绪</translation>
    </message>
    <message>
      <source>Red</source>
      <translation>红</translation>
    </message>
    <message>
      <source>Renew the engine</source>
      <translation>更新引擎</translation>
    </message>
    <message>
      <source>Reset</source>
      <translation>重置</translation>
    </message>
    <message>
      <source>Save kept objects as GeoPackage, GeoJSON, Shapefile or FlatGeobuf</source>
      <translation>将保留的目标另存为 GeoPackage、GeoJSON、Shapefile 或 FlatGeobuf</translation>
    </message>
    <message>
      <source>Seconds from frame to frame</source>
      <translation>帧间隔（秒）</translation>
    </message>
    <message>
      <source>Seconds from frame to frame (0: as in the video, else 1)</source>
      <translation>帧间隔（秒；0：与视频相同，否则为 1）</translation>
    </message>
    <message>
      <source>Segment by boxes</source>
      <translation>按框分割</translation>
    </message>
    <message>
      <source>Segment by points</source>
      <translation>按点分割</translation>
    </message>
    <message>
      <source>Segmentation</source>
      <translation>分割</translation>
    </message>
    <message>
      <source>Set up</source>
      <translation>安装</translation>
    </message>
    <message>
      <source>Set up by this plugin, in the QGIS profile</source>
      <translation>由本插件安装在 QGIS 用户配置中</translation>
    </message>
    <message>
      <source>Set up engine</source>
      <translation>安装引擎</translation>
    </message>
    <message>
      <source>Set up or repair…</source>
      <translation>安装或修复…</translation>
    </message>
    <message>
      <source>Set up the ROS-SAM engine</source>
      <translation>安装 ROS-SAM 引擎</translation>
    </message>
    <message>
      <source>Settings: engine, models, diagnostics</source>
      <translation>设置：引擎、模型、诊断</translation>
    </message>
    <message>
      <source>Shape</source>
      <translation>形状</translation>
    </message>
    <message>
      <source>Share that nested outlines cover (1: keep)</source>
      <translation>嵌套轮廓的覆盖比例（1：保留）</translation>
    </message>
    <message>
      <source>Shortest length (m)</source>
      <translation>最小长度（米）</translation>
    </message>
    <message>
      <source>Simplify (px)</source>
      <translation>简化（像素）</translation>
    </message>
    <message>
      <source>Size</source>
      <translation>大小</translation>
    </message>
    <message>
      <source>Small models on the CPU (about {size} MB to fetch)</source>
      <translation>在 CPU 上运行小模型（需下载约 {size} MB）</translation>
    </message>
    <message>
      <source>Smaller parts are dropped, smaller holes filled</source>
      <translation>小于此面积的部分被去除，小于此面积的孔洞被填充</translation>
    </message>
    <message>
      <source>Smallest part (px²)</source>
      <translation>最小部分（像素²）</translation>
    </message>
    <message>
      <source>Smooth (px)</source>
      <translation>平滑（像素）</translation>
    </message>
    <message>
      <source>State</source>
      <translation>状态</translation>
    </message>
    <message>
      <source>Status: {status}</source>
      <translation>状态：{status}</translation>
    </message>
    <message>
      <source>Stretch</source>
      <translation>拉伸</translation>
    </message>
    <message>
      <source>Stretch: none, 2-98, or min,max (as styled if empty)</source>
      <translation>拉伸：none、2-98 或 min,max（留空则按图层样式）</translation>
    </message>
    <message>
      <source>Take back a prompt, or the last kept object (Ctrl+Z)</source>
      <translation>撤销一个提示，或最后保留的目标（Ctrl+Z）</translation>
    </message>
    <message>
      <source>That place is beside the image.</source>
      <translation>该位置在影像之外。</translation>
    </message>
    <message>
      <source>The CRS of {layer}, {crs}, does not reach the object; choose another output layer.</source>
      <translation>{layer} 的坐标参照系 {crs} 无法表示该目标的位置；请选择其他输出图层。</translation>
    </message>
    <message>
      <source>The chosen device is not available: {why}</source>
      <translation>所选设备不可用：{why}</translation>
    </message>
    <message>
      <source>The download failed: {why}</source>
      <translation>下载失败：{why}</translation>
    </message>
    <message>
      <source>The download is not what was published: {why}</source>
      <translation>下载的内容与发布的不一致：{why}</translation>
    </message>
    <message>
      <source>The engine answered HTTP {status} and did not say why.</source>
      <translation>引擎返回了 HTTP {status}，但未说明原因。</translation>
    </message>
    <message>
      <source>The engine asks for more pixels than it can hold.</source>
      <translation>引擎请求的像素超出其容量。</translation>
    </message>
    <message>
      <source>The engine cannot read the image: {why}</source>
      <translation>引擎无法读取影像：{why}</translation>
    </message>
    <message>
      <source>The engine could not be started: {why}</source>
      <translation>无法启动引擎：{why}</translation>
    </message>
    <message>
      <source>The engine does not answer: {why}</source>
      <translation>引擎没有响应：{why}</translation>
    </message>
    <message>
      <source>The engine does not find the image: {why}</source>
      <translation>引擎找不到影像：{why}</translation>
    </message>
    <message>
      <source>The engine does not take the token: {why}</source>
      <translation>引擎不接受该令牌：{why}</translation>
    </message>
    <message>
      <source>The engine does not take this image.</source>
      <translation>引擎不接受此影像。</translation>
    </message>
    <message>
      <source>The engine ended ({how}).</source>
      <translation>引擎已退出（{how}）。</translation>
    </message>
    <message>
      <source>The engine ended before all objects were outlined.</source>
      <translation>在提取完所有目标之前引擎已退出。</translation>
    </message>
    <message>
      <source>The engine ended, and its Python is gone: {python}. Set the engine up again.</source>
      <translation>引擎已结束，其 Python 已不存在：{python}。请重新安装引擎。</translation>
    </message>
    <message>
      <source>The engine has ended and is started again; nothing is lost.</source>
      <translation>引擎已退出，正在重新启动；没有任何内容丢失。</translation>
    </message>
    <message>
      <source>The engine has too much to do; try again in a moment.</source>
      <translation>引擎任务过多，请稍后再试。</translation>
    </message>
    <message>
      <source>The engine is not set up yet.</source>
      <translation>引擎尚未安装。</translation>
    </message>
    <message>
      <source>The engine is set up.</source>
      <translation>引擎已安装。</translation>
    </message>
    <message>
      <source>The engine is taking long to start.</source>
      <translation>引擎启动耗时较长。</translation>
    </message>
    <message>
      <source>The engine lacks a library: {why}</source>
      <translation>引擎缺少一个库：{why}</translation>
    </message>
    <message>
      <source>The engine may not open this: {why}</source>
      <translation>引擎不允许打开此内容：{why}</translation>
    </message>
    <message>
      <source>The engine no longer answers.</source>
      <translation>引擎不再响应。</translation>
    </message>
    <message>
      <source>The engine on another machine has no address yet.</source>
      <translation>尚未指定另一台计算机上引擎的地址。</translation>
    </message>
    <message>
      <source>The engine speaks API {theirs}, this plugin {ours}: bring both to the same version.</source>
      <translation>引擎的 API 版本为 {theirs}，本插件为 {ours}：请将两者更新到相同版本。</translation>
    </message>
    <message>
      <source>The engine's answer is no JSON.</source>
      <translation>引擎的应答不是 JSON。</translation>
    </message>
    <message>
      <source>The file holds no model that is known: {why}</source>
      <translation>文件中没有已知的模型：{why}</translation>
    </message>
    <message>
      <source>The file of the model cannot be read: {why}</source>
      <translation>模型文件无法读取：{why}</translation>
    </message>
    <message>
      <source>The file of the model does not fit: {why}</source>
      <translation>模型文件不匹配：{why}</translation>
    </message>
    <message>
      <source>The file of the model is not there: {why}</source>
      <translation>模型文件不存在：{why}</translation>
    </message>
    <message>
      <source>The frames are in {folder}. A model in the background cannot load them here.</source>
      <translation>各帧已写入 {folder}。在后台运行的模型无法将它们加载到此项目。</translation>
    </message>
    <message>
      <source>The frames cannot be written over themselves; choose another folder.</source>
      <translation>各帧不能覆盖其自身；请选择其他文件夹。</translation>
    </message>
    <message>
      <source>The group {name} holds no raster layers.</source>
      <translation>图层组 {name} 中没有栅格图层。</translation>
    </message>
    <message>
      <source>The image has no data there.</source>
      <translation>影像在此处没有数据。</translation>
    </message>
    <message>
      <source>The layer of prompts has no features.</source>
      <translation>提示图层没有要素。</translation>
    </message>
    <message>
      <source>The layer of the area has no polygon.</source>
      <translation>区域图层没有多边形。</translation>
    </message>
    <message>
      <source>The layer {name} is gone.</source>
      <translation>图层 {name} 已不存在。</translation>
    </message>
    <message>
      <source>The model could not be loaded.</source>
      <translation>无法加载模型。</translation>
    </message>
    <message>
      <source>The model is not downloaded yet: {why}</source>
      <translation>模型尚未下载：{why}</translation>
    </message>
    <message>
      <source>The model runs in a process of its own, in a Python environment in the QGIS profile. QGIS itself is not changed. PyTorch is needed for models of SAM's size and for GPUs, and can be added later.</source>
      <translation>模型在单独的进程中运行，使用 QGIS 配置文件夹里的 Python 环境，QGIS 本身不会改变。SAM 大小的模型和 GPU 需要 PyTorch，可以以后再添加。</translation>
    </message>
    <message>
      <source>The model sees what the layer shows, unless you choose otherwise. Choose red alone for one band.</source>
      <translation>除非另行选择，模型看到的与图层显示的相同。只用一个波段时，仅选择红色。</translation>
    </message>
    <message>
      <source>The output takes no more: {why}</source>
      <translation>无法继续写入输出：{why}</translation>
    </message>
    <message>
      <source>The place cannot be brought to the CRS of the image: {why}</source>
      <translation>该位置无法转换到影像的坐标参照系：{why}</translation>
    </message>
    <message>
      <source>The prompts of this object cannot be read: {why}</source>
      <translation>无法读取此目标的提示：{why}</translation>
    </message>
    <message>
      <source>The shortest length {shortest} must be less than the longest, {longest}.</source>
      <translation>最小长度 {shortest} 必须小于最大长度 {longest}。</translation>
    </message>
    <message>
      <source>The video has {count} frames.</source>
      <translation>该视频共有 {count} 帧。</translation>
    </message>
    <message>
      <source>There are no kept objects yet.</source>
      <translation>尚无保留的目标。</translation>
    </message>
    <message>
      <source>There is no kept object here.</source>
      <translation>此处没有保留的目标。</translation>
    </message>
    <message>
      <source>There is no such model: {why}</source>
      <translation>没有这个模型：{why}</translation>
    </message>
    <message>
      <source>These bands cannot be used: {why}</source>
      <translation>这些波段无法使用：{why}</translation>
    </message>
    <message>
      <source>This area cannot be used: {why}</source>
      <translation>该区域无法使用：{why}</translation>
    </message>
    <message>
      <source>This copy of the plugin brings no engine; install the released zip.</source>
      <translation>此插件副本不含引擎；请安装正式发布的 zip 包。</translation>
    </message>
    <message>
      <source>This object was outlined on {source}; choose that layer to correct it.</source>
      <translation>此目标的轮廓是在 {source} 上提取的；请选择该图层进行修改。</translation>
    </message>
    <message>
      <source>This stretch cannot be used: {why}</source>
      <translation>该拉伸无法使用：{why}</translation>
    </message>
    <message>
      <source>Times in the files' names, such as 20240501T100000, are used if there are any.</source>
      <translation>如果文件名中含有时间（例如 20240501T100000），则使用该时间。</translation>
    </message>
    <message>
      <source>Token</source>
      <translation>令牌</translation>
    </message>
    <message>
      <source>Try again</source>
      <translation>重试</translation>
    </message>
    <message>
      <source>Try the engine</source>
      <translation>测试引擎</translation>
    </message>
    <message>
      <source>Turn the map tool on or off</source>
      <translation>打开或关闭地图工具</translation>
    </message>
    <message>
      <source>Two clicks, or a drag, draw a box</source>
      <translation>单击两次或拖动鼠标画框</translation>
    </message>
    <message>
      <source>Video</source>
      <translation>视频</translation>
    </message>
    <message>
      <source>Video files need the program ffmpeg, and it was not found. Install it (ffmpeg.org), or save the video as a folder of images.</source>
      <translation>视频文件需要程序 ffmpeg，但未找到。请安装它（ffmpeg.org），或将视频另存为影像文件夹。</translation>
    </message>
    <message>
      <source>Weights</source>
      <translation>权重</translation>
    </message>
    <message>
      <source>Where kept objects are written, each at once</source>
      <translation>保留的目标写入何处，每个目标立即写入</translation>
    </message>
    <message>
      <source>Writes the frames of a satellite video as GeoTIFFs that carry their time, and loads them as a group of temporal layers that the Temporal Controller plays, all with the same contrast.

Give a folder of images, or a file: a raster of many pages, or a video (needs ffmpeg).

Georeference: a raster of the same place and size; frames without one take its.

Times come from the files' names (such as 20240501T100000) unless a first time is given; without either they begin in the year 2000.</source>
      <translation>将卫星视频的各帧写为带有时间的 GeoTIFF，并作为一组时态图层加载，可用时态控制器播放，所有帧采用相同的对比度。

请指定影像文件夹，或一个文件：多页栅格或视频（需要 ffmpeg）。

地理参考：位置和尺寸相同的栅格；没有地理参考的帧将使用它的地理参考。

除非指定了第一帧的时间，否则时间取自文件名（例如 20240501T100000）；两者都没有时，从 2000 年开始。</translation>
    </message>
    <message>
      <source>as in the video, else 1</source>
      <translation>与视频相同，否则为 1</translation>
    </message>
    <message>
      <source>as styled</source>
      <translation>按图层样式</translation>
    </message>
    <message>
      <source>can be fetched</source>
      <translation>可下载</translation>
    </message>
    <message>
      <source>exit code {code}</source>
      <translation>退出代码 {code}</translation>
    </message>
    <message>
      <source>ffmpeg finds no frames in {path}: {why}</source>
      <translation>ffmpeg 在 {path} 中未找到帧：{why}</translation>
    </message>
    <message>
      <source>included</source>
      <translation>已内置</translation>
    </message>
    <message>
      <source>installed</source>
      <translation>已安装</translation>
    </message>
    <message>
      <source>it crashed or was killed</source>
      <translation>崩溃或被终止</translation>
    </message>
    <message>
      <source>it ended at once</source>
      <translation>启动后立即退出</translation>
    </message>
    <message>
      <source>it was too slow</source>
      <translation>启动过慢</translation>
    </message>
    <message>
      <source>its pixels cannot be read</source>
      <translation>无法读取其像素</translation>
    </message>
    <message>
      <source>no class</source>
      <translation>无类别</translation>
    </message>
    <message>
      <source>no reason was given</source>
      <translation>未给出原因</translation>
    </message>
    <message>
      <source>the georeference is for {theirs} pixels, the video has {ours}; give a raster of the video's own size</source>
      <translation>地理参考对应 {theirs} 像素，视频为 {ours}；请提供与视频尺寸相同的栅格</translation>
    </message>
    <message>
      <source>unchanged; kept in QGIS's authentication store</source>
      <translation>未更改；保存在 QGIS 的身份验证存储中</translation>
    </message>
    <message>
      <source>{count} kept objects could not be written, not even to {path}: {why}</source>
      <translation>{count} 个已保留的对象无法写入，甚至无法写入 {path}：{why}</translation>
    </message>
    <message>
      <source>{count} kept objects had no outline yet; open {path} and Ctrl+click their marks.</source>
      <translation>{count} 个已保留的对象尚无轮廓；请打开 {path} 并按住 Ctrl 点击其标记。</translation>
    </message>
    <message>
      <source>{count} kept, waiting for their outline.</source>
      <translation>已保留 {count} 个，正在等待轮廓。</translation>
    </message>
    <message>
      <source>{count} objects could not be written to their layer; they are in {path}.</source>
      <translation>有 {count} 个目标无法写入其图层，已保存到 {path}。</translation>
    </message>
    <message>
      <source>{count} objects were found.</source>
      <translation>找到 {count} 个目标。</translation>
    </message>
    <message>
      <source>{crs} is no CRS</source>
      <translation>{crs} 不是坐标参考系</translation>
    </message>
    <message>
      <source>{folder} cannot be written to: {why}</source>
      <translation>无法写入 {folder}：{why}</translation>
    </message>
    <message>
      <source>{folder} holds no raster files ({suffixes})</source>
      <translation>{folder} 中没有栅格文件（{suffixes}）</translation>
    </message>
    <message>
      <source>{found} of {count} objects were outlined.</source>
      <translation>共 {count} 个目标，已提取 {found} 个轮廓。</translation>
    </message>
    <message>
      <source>{id}: it has {count} points; an object may have {most}.</source>
      <translation>{id}：共有 {count} 个点；每个目标最多 {most} 个点。</translation>
    </message>
    <message>
      <source>{layer} and the image are not both georeferenced; choose another output layer.</source>
      <translation>{layer} 与影像并非都具有地理参考；请选择其他输出图层。</translation>
    </message>
    <message>
      <source>{layer} cannot be read; its file may have moved.</source>
      <translation>无法读取 {layer}；其文件可能已被移动。</translation>
    </message>
    <message>
      <source>{layer} cannot be written to; choose another output layer.</source>
      <translation>无法写入 {layer}；请选择其他输出图层。</translation>
    </message>
    <message>
      <source>{layer} did not take the object: {why}</source>
      <translation>{layer} 未能保存目标：{why}</translation>
    </message>
    <message>
      <source>{layer} has attributes {names} of another kind; they stay empty for kept objects.</source>
      <translation>{layer} 的属性 {names} 类型不符；保存目标时这些属性将留空。</translation>
    </message>
    <message>
      <source>{layer} has left the project before it was drawn.</source>
      <translation>{layer} 在绘制之前已从工程中移除。</translation>
    </message>
    <message>
      <source>{layer} has no attributes {names}. Add them to it? Without them they are not kept.</source>
      <translation>{layer} 没有字段 {names}。是否添加？若不添加，这些属性将不会保存。</translation>
    </message>
    <message>
      <source>{layer} has not been drawn.</source>
      <translation>{layer} 尚未绘制。</translation>
    </message>
    <message>
      <source>{layer} is being edited in a transaction; stop editing it, or choose another output.</source>
      <translation>{layer} 正在事务中编辑；请停止编辑，或选择其他输出。</translation>
    </message>
    <message>
      <source>{layer} is no file raster; save what is on screen as an image first.</source>
      <translation>{layer} 不是文件栅格；请先将屏幕上的内容另存为影像。</translation>
    </message>
    <message>
      <source>{layer} is no raster layer.</source>
      <translation>{layer} 不是栅格图层。</translation>
    </message>
    <message>
      <source>{layer} takes single polygons and this has {count} parts; choose another output.</source>
      <translation>{layer} 只接受单部件多边形，而此对象有 {count} 个部件；请选择其他输出图层。</translation>
    </message>
    <message>
      <source>{layer} takes single polygons and this has {count} parts; correct it again.</source>
      <translation>{layer} 只接受单部件多边形，而此对象有 {count} 个部件；请再次修正。</translation>
    </message>
    <message>
      <source>{name}: {licence}. It is fetched from {address} and checked: {hash}</source>
      <translation>{name}：{licence}。从 {address} 下载并校验：{hash}</translation>
    </message>
    <message>
      <source>{need} MB are needed in {folder}, {free} MB are free.</source>
      <translation>{folder} 需要 {need} MB 空间，目前可用 {free} MB。</translation>
    </message>
    <message>
      <source>{number} of {count}: {label}</source>
      <translation>第 {number} 帧，共 {count} 帧：{label}</translation>
    </message>
    <message>
      <source>{path} cannot be made: {why}</source>
      <translation>无法创建 {path}：{why}</translation>
    </message>
    <message>
      <source>{path} cannot be read: {why}</source>
      <translation>无法读取 {path}：{why}</translation>
    </message>
    <message>
      <source>{path} cannot be written: {why}</source>
      <translation>无法写入 {path}：{why}</translation>
    </message>
    <message>
      <source>{path} does not exist.</source>
      <translation>{path} 不存在。</translation>
    </message>
    <message>
      <source>{path} exists already. Replace it?</source>
      <translation>{path} 已存在。要替换它吗？</translation>
    </message>
    <message>
      <source>{path} has no band {number}; it has {count}.</source>
      <translation>{path} 没有波段 {number}；共有 {count} 个波段。</translation>
    </message>
    <message>
      <source>{path} has no georeference that the frames could take</source>
      <translation>{path} 没有可供各帧使用的地理参考</translation>
    </message>
    <message>
      <source>{path} holds no frame that QGIS can read.</source>
      <translation>{path} 中没有 QGIS 可读取的帧。</translation>
    </message>
    <message>
      <source>{path} is gone; choose another output layer.</source>
      <translation>{path} 已不存在；请选择其他输出图层。</translation>
    </message>
    <message>
      <source>{path} is no raster that GDAL opens: {why}</source>
      <translation>{path} 不是 GDAL 能打开的栅格：{why}</translation>
    </message>
    <message>
      <source>{path} is the file that the objects are in; choose another name.</source>
      <translation>{path} 就是目标所在的文件；请换一个名称。</translation>
    </message>
    <message>
      <source>{path} was written and cannot be read again.</source>
      <translation>{path} 已写入，但无法重新读取。</translation>
    </message>
    <message>
      <source>{path}: pixels of type {kind} cannot be sent</source>
      <translation>{path}：无法发送类型为 {kind} 的像素</translation>
    </message>
    <message>
      <source>{program} could not be started: {why}</source>
      <translation>无法启动 {program}：{why}</translation>
    </message>
    <message>
      <source>{python} can make no environment: install python{version}-venv, then try again.</source>
      <translation>{python} 无法创建环境：请安装 python{version}-venv，然后重试。</translation>
    </message>
    <message>
      <source>{size:.0f} MB</source>
      <translation>{size:.0f} MB</translation>
    </message>
    <message>
      <source>{step} failed: {why} The whole output is in {log}; set up again to go on.</source>
      <translation>{step} 失败：{why} 完整输出见 {log}；再次安装即可继续。</translation>
    </message>
    <message>
      <source>{step} seconds from frame to frame: give a number above 0</source>
      <translation>帧间隔为 {step} 秒：请给出大于 0 的数值</translation>
    </message>
    <message>
      <source>{suffix} is no format of an export; use {known}.</source>
      <translation>{suffix} 不是可导出的格式；请使用 {known}。</translation>
    </message>
    <message>
      <source>{task} failed.</source>
      <translation>{task} 失败。</translation>
    </message>
    <message>
      <source>{text} holds a number that is not finite</source>
      <translation>{text} 中含有非有限数值</translation>
    </message>
    <message>
      <source>{text} holds something that is no number</source>
      <translation>{text} 中含有非数字内容</translation>
    </message>
    <message>
      <source>{text}: {part} is neither a box nor a labelled point</source>
      <translation>{text}：{part} 既不是框，也不是带标签的点</translation>
    </message>
    <message>
      <source>{why} {count} objects wait and are written as soon as that works.</source>
      <translation>{why} 有 {count} 个目标等待写入，一旦可行即会写入。</translation>
    </message>
  </context>
</TS>
